"""The server under test is no open door."""

import unittest
import urllib.error

from embedded import ROOT, Gms


class Authentication(unittest.TestCase):
    def test_foreign_tokens_are_refused(self) -> None:
        with Gms() as gms:
            for file in sorted((ROOT / "fixtures" / "tokens").glob("*.*")):
                if file.suffix == ".md":
                    continue
                with self.subTest(token=file.name):
                    with self.assertRaises(urllib.error.HTTPError) as refused:
                        gms.get("/entitiesV2/urn%3Ali%3Acorpuser%3Adatahub", token=file.read_text().strip())
                    self.assertEqual(401, refused.exception.code)
                    refused.exception.close()


if __name__ == "__main__":
    unittest.main()
