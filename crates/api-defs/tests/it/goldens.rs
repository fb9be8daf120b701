//! What the definitions say, kept as files so that a change is seen in review.

use std::{fmt::Write as _, fs, path::Path};

use neutrino_api_defs::{Offer, extensions, openapi, resources};

/// Compares `text` with the file `name`, or rewrites the file with `NEUTRINO_UPDATE_GOLDENS=1`.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some_and(|v| v == "1") {
        fs::write(&path, text).expect("golden file written");
        return;
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == text,
        "{} differs from what the definitions say; NEUTRINO_UPDATE_GOLDENS=1 rewrites it",
        path.display()
    );
}

#[test]
fn openapi_document() {
    let document = openapi::document(&Offer::everything());
    let text = serde_json::to_string_pretty(&document).expect("JSON");
    golden("openapi.json", &(text + "\n"));
}

#[test]
fn every_reference_of_the_document_has_a_target() {
    let document = openapi::document(&Offer::everything());
    let text = document.to_string();
    let mut found = 0;
    for piece in text.split("\"$ref\":\"#").skip(1) {
        let pointer = piece.split('"').next().expect("closing quote");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        found += 1;
    }
    assert!(found > 20, "{found} references");
}

#[test]
fn attributes() {
    let mut text = String::from(
        "# collection attribute: C in POST, U in PUT, R in answers; F filter, S sort key, P own policy \
         rule,\n# O needed by policy rules, K key; default; conversion; validation; extension\n",
    );
    for resource in resources() {
        for a in resource.attributes {
            let flags: String = [
                (a.post, 'C'),
                (a.put, 'U'),
                (a.visible, 'R'),
                (a.filter, 'F'),
                (a.sort, 'S'),
                (a.enforce_policy, 'P'),
                (a.required_by_policy, 'O'),
                (a.primary_key, 'K'),
            ]
            .into_iter()
            .map(|(set, letter)| if set { letter } else { '-' })
            .collect();
            let default = a.default.map_or_else(|| "none".to_string(), |d| format!("{d:?}"));
            let extension = if a.extension.is_empty() { "core" } else { a.extension };
            writeln!(
                text,
                "{} {} {flags} {default} {:?} {:?} {extension}",
                resource.collection, a.name, a.convert, a.validate
            )
            .expect("writing to a string");
        }
    }
    golden("attributes.txt", &text);
}

#[test]
fn lookups_find_every_attribute_and_nothing_else() {
    for resource in resources() {
        for (i, attribute) in resource.attributes.iter().enumerate() {
            assert_eq!(resource.attribute_index(attribute.name), Some(i));
        }
        assert_eq!(resource.attribute_index("no such attribute"), None);
    }
}

#[test]
fn extensions_are_ordered_and_cover_the_attributes() {
    let aliases: Vec<&str> = extensions::all().iter().map(|e| e.alias).collect();
    assert!(aliases.is_sorted(), "{aliases:?}");
    for resource in resources() {
        for attribute in resource.attributes {
            let alias = attribute.extension;
            assert!(alias.is_empty() || extensions::find(alias).is_some(), "{alias}");
        }
    }
}
