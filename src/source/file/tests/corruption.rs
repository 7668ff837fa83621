use proptest::prelude::*;
use serde_json::Value;

use super::splitting::object;
use super::{LIMIT, Pieces, outline, records, split};

fn lines(objects: &[Value]) -> Vec<String> {
    objects.iter().map(Value::to_string).collect()
}

fn array(objects: &[Value], pretty: bool) -> String {
    let parts: Vec<String> = objects
        .iter()
        .map(|object| if pretty { format!("{object:#}") } else { object.to_string() })
        .collect();
    format!("[\n{}\n]", parts.join(",\n"))
}

/// A byte that is likely to do harm.
fn harm() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"{}[]\",:\\\n\r\x0C \0".to_vec()), any::<u8>(),]
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_met(
        file in prop::collection::vec(harm(), 0..200),
        sizes in prop::collection::vec(1_usize..20, 1..5),
    ) {
        let found = split(Pieces::new(&file, &sizes), LIMIT);
        prop_assert!(found.len() <= file.len() + 1);
    }

    #[test]
    fn a_wrong_byte_in_an_array_leaves_the_elements_before_it(
        objects in prop::collection::vec(object(), 1..8),
        pretty in any::<bool>(),
        place in any::<prop::sample::Index>(),
        byte in harm(),
    ) {
        let sound = array(&objects, pretty);
        let mut broken = sound.clone().into_bytes();
        // The first byte says what the file is.
        let place = 1 + place.index(broken.len() - 1);
        broken[place] = byte;
        let before: Vec<_> = records(&split(sound.as_bytes(), LIMIT))
            .into_iter()
            .filter(|(offset, text)| offset + text.len() as u64 <= place as u64)
            .collect();
        let found = records(&split(&broken[..], LIMIT));
        prop_assert_eq!(&found[..before.len()], &before[..]);
    }

    #[test]
    fn a_wrong_byte_in_a_line_leaves_all_other_lines(
        objects in prop::collection::vec(object(), 1..8),
        line in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in harm(),
    ) {
        let mut lines = lines(&objects);
        let line = line.index(lines.len());
        let mut broken = lines[line].clone().into_bytes();
        let place = place.index(broken.len());
        prop_assume!(line > 0 || place > 0);
        broken[place] = byte;
        let mut file = Vec::new();
        for (number, text) in lines.iter().enumerate() {
            file.extend_from_slice(if number == line { &broken } else { text.as_bytes() });
            file.push(b'\n');
        }
        let found: Vec<String> = records(&split(&file[..], LIMIT)).into_iter().map(|(_, text)| text).collect();
        let after = lines.split_off(line + 1);
        lines.truncate(line);
        prop_assert!(found.starts_with(&lines), "{:?}", found);
        prop_assert!(found.ends_with(&after), "{:?}", found);
    }

    #[test]
    fn a_cut_costs_the_record_that_it_goes_through(
        objects in prop::collection::vec(object(), 1..8),
        form in 0..3,
        cut in any::<prop::sample::Index>(),
    ) {
        let sound = match form {
            0 => array(&objects, false),
            1 => array(&objects, true),
            _ => lines(&objects).join("\n"),
        };
        let cut = cut.index(sound.len());
        let before: Vec<_> = records(&split(sound.as_bytes(), LIMIT))
            .into_iter()
            .filter(|(offset, text)| offset + text.len() as u64 <= cut as u64)
            .collect();
        let found = split(&sound.as_bytes()[..cut], LIMIT);
        prop_assert_eq!(records(&found), before.clone());
        prop_assert!(found.len() <= before.len() + 1, "{:?}", found);
    }
}

#[test]
fn a_line_that_is_cut_off_where_a_value_could_follow_does_not_swallow_the_next() {
    for end in [":", "[", "[{},", ",", ""] {
        let cut = format!(r#"{{"a"{end}"#);
        let found = outline(format!("{cut}\n{{\"b\":1}}\n{{\"c\":1}}\n"));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with(&format!("0 {cut} !")), "{found:?}");
        assert!(found[1].ends_with(r#" {"b":1}"#), "{found:?}");
    }
}
