//! Hostile rules and files are answered, never a panic.

use neutrino_policy::{Enforcer, Options, Target, expr, file};
use neutrino_types::Context;
use proptest::prelude::*;
use serde_json::json;

use crate::{attrs, member};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("and".to_string()),
        Just("or".to_string()),
        Just("not".to_string()),
        Just("(".to_string()),
        Just(")".to_string()),
        Just("@".to_string()),
        Just("!".to_string()),
        Just("role:member".to_string()),
        Just("rule:admin_only".to_string()),
        Just("project_id:%(project_id)s".to_string()),
        Just("field:networks:shared=True".to_string()),
        Just("'x':%(name)s".to_string()),
        Just("user_id:%(id)s".to_string()),
        "[a-z:%()'~^=]{0,10}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,80}") {
        let _ = expr::parse(&text);
        let _ = file::parse(&text);
    }

    #[test]
    fn any_words_are_parsed_or_refused(words in proptest::collection::vec(word(), 0..16)) {
        let text = words.join(" ");
        if expr::parse(&text).is_ok() {
            // What parses can be asked, and without the target it claims nothing wrong.
            let line = format!("{}: {}", json!("get_network:mtu"), json!(text));
            let options = Options { policy_files: vec![line], ..Options::default() };
            if let Ok(enforcer) = Enforcer::new(&options) {
                let item = attrs(json!({"id": "i", "project_id": "p", "name": "x", "shared": true}));
                for ctx in [Context::admin(), member(), Context::default()] {
                    let view = enforcer.view(&neutrino_api_defs::NETWORKS, &ctx);
                    let hidden = view.hidden(&Target::new(&item)).contains(&"mtu");
                    let holds = enforcer.check("get_network:mtu", &Target::new(&item), &ctx);
                    prop_assert_eq!(holds, !hidden);
                }
            }
        }
    }

    #[test]
    fn any_file_lines_are_parsed_or_refused(lines in proptest::collection::vec("[\"'a-z:# \\[\\]@!\\\\]{0,20}", 0..6)) {
        let _ = file::parse(&lines.join("\n"));
    }
}
