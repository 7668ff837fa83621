#!/usr/bin/env python3
"""Writes src/fields/model.json: the fields of DataHub's aspects, for `gms serve --check-fields on`.

    pip install acryl-datahub==1.7.0.17
    python3 crates/embedded-gms/model/generate.py crates/embedded-gms/src/fields/model.json

It reads the Avro schemas in the package, and keeps what a value is checked against: names, types, whether a field is
required, the symbols of enums, and the entity types of URNs. In a type,

    "string"                  is a primitive type, or the class of a record or an enum
    {"array": T}, {"map": T}  have items or values of type T
    {"union": [T, ...]}       has one of these types, tagged with its name
    {"urn": [...]}            is the text of a URN of one of these entity types; an empty list means any

A field is required if its name does not end in `?`.
"""

import glob
import importlib.metadata
import importlib.util
import json
import os
import sys

# Classes of URNs that GMS parses itself, so that a URN of another entity type is refused.
URN_CLASSES = {
    "BusinessAttributeUrn": "businessAttribute",
    "ChartUrn": "chart",
    "CorpGroupUrn": "corpGroup",
    "CorpuserUrn": "corpuser",
    "DataFlowUrn": "dataFlow",
    "DataJobUrn": "dataJob",
    "DataPlatformUrn": "dataPlatform",
    "DatasetUrn": "dataset",
    "GlossaryNodeUrn": "glossaryNode",
    "GlossaryTermUrn": "glossaryTerm",
    "MLFeatureUrn": "mlFeature",
    "TagUrn": "tag",
}

records = {}
enums = {}


def server_name(name, namespace):
    """The name of a class on the server: Avro's classes have a package of their own."""
    full = name if "." in name else f"{namespace}.{name}"
    return full.replace("com.linkedin.pegasus2avro.", "com.linkedin.")


def convert(schema, namespace, urn):
    """A type in the form of the table. `urn` replaces the strings of a field that has URNs."""
    if isinstance(schema, list):
        members = [member for member in schema if member != "null"]
        if "null" in schema and len(members) == 1:
            return convert(members[0], namespace, urn)
        return {"union": [convert(member, namespace, urn) for member in members]}
    if isinstance(schema, str):
        if schema == "string" and urn is not None:
            return {"urn": urn}
        return server_name(schema, namespace) if "." in schema or schema[0].isupper() else schema
    kind = schema["type"]
    if kind == "array":
        return {"array": convert(schema["items"], namespace, urn)}
    if kind == "map":
        return {"map": convert(schema["values"], namespace, urn)}
    if kind not in ("record", "enum"):
        return convert(kind, namespace, urn)
    namespace = schema.get("namespace", namespace)
    name = server_name(schema["name"], namespace)
    if kind == "enum":
        enums[name] = schema["symbols"]
    elif name not in records:
        records[name] = {}
        records[name].update(field(one, namespace) for one in schema["fields"])
    return name


def field(schema, namespace):
    """The name and the type of a field."""
    types = schema["type"]
    optional = "default" in schema or isinstance(types, list) and "null" in types
    return schema["name"] + ("?" if optional else ""), convert(types, namespace, urn_kinds(schema))


def urn_kinds(schema):
    """The entity types of a field with URNs that GMS insists on; `None` if the field has no URNs."""
    if "Urn" not in schema:
        return None
    if schema["Urn"] in URN_CLASSES:
        return [URN_CLASSES[schema["Urn"]]]
    return sorted(schema.get("UrnValidation", {}).get("entityTypes", []))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    package = importlib.util.find_spec("datahub").submodule_search_locations[0]
    aspects = {}
    for path in sorted(glob.glob(os.path.join(package, "metadata", "schemas", "*.avsc"))):
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        if isinstance(schema, dict) and "Aspect" in schema:
            aspects[schema["Aspect"]["name"]] = convert(schema, None, None)
    table = {
        "from": "acryl-datahub " + importlib.metadata.version("acryl-datahub"),
        "aspects": aspects,
        "records": records,
        "enums": enums,
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        # One record a line, so that a difference between two versions can be read.
        file.write("{\n")
        for index, (part, value) in enumerate(table.items()):
            comma = "," if index + 1 < len(table) else ""
            if isinstance(value, str):
                file.write(f"{json.dumps(part)}: {json.dumps(value)}{comma}\n")
                continue
            lines = [f"{json.dumps(key)}: {json.dumps(value[key], sort_keys=True)}" for key in sorted(value)]
            file.write(f"{json.dumps(part)}: {{\n" + ",\n".join(lines) + f"\n}}{comma}\n")
        file.write("}\n")


if __name__ == "__main__":
    main()
