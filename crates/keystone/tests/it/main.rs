//! The client against a Keystone that does what each test wants. That the real one is understood
//! is tested in `neutrino-server` (`identity::keystone`).

mod fake;
mod tls;

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use fake::Fake;
use neutrino_conf::{Conf, opts::keystone_authtoken::AUTH};
use neutrino_keystone::{
    Auth, AuthSettings, Endpoint, Service, Session, SessionSettings, Tokens, TokensSettings,
    ValidateError, service::IDENTITY,
};
use tokio::task::JoinSet;

/// Validates with the Keystone at `url`.
fn tokens_at(url: &str, session: &SessionSettings) -> Arc<Tokens> {
    let text = format!(
        "[keystone_authtoken]\nauth_type = password\nauth_url = {url}\nuser_id = u\npassword = p\n"
    );
    let conf = Conf::parse_str(&text).expect("configuration");
    let auth = AuthSettings::from_conf(&conf, &AUTH, "keystone_authtoken").expect("settings");
    let patience = session.patience();
    let session = Session::new(session).expect("session");
    let auth = Arc::new(Auth::new(session.clone(), auth.expect("a method")));
    let endpoint = Endpoint { kind: IDENTITY, interface: "internal".into(), region: None };
    let settings =
        TokensSettings { cache_time: Duration::from_secs(300), with_catalog: false, patience };
    Arc::new(Tokens::new(Service::new(session, auth, endpoint), settings))
}

fn tokens(fake: &Fake) -> Arc<Tokens> {
    tokens_at(&fake.url(), &SessionSettings::default())
}

fn is_unavailable<T: std::fmt::Debug>(outcome: Result<T, ValidateError>) -> String {
    match outcome {
        Err(ValidateError::Unavailable(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_for_one_token_share_one_request() {
    let fake = Fake::start().await;
    fake.hold();
    let tokens = tokens(&fake);
    let mut asking = JoinSet::new();
    for _ in 0..100 {
        let tokens = tokens.clone();
        asking.spawn(async move { tokens.validate("good-a", false).await });
    }
    fake.until("one validation", |seen| seen.validations == 1).await;
    fake.release();
    while let Some(answer) = asking.join_next().await {
        assert_eq!(answer.expect("task").expect("valid").user.id, "a");
    }
    tokens.validate("good-a", false).await.expect("remembered");
    let seen = fake.seen();
    assert_eq!((seen.validations, seen.logins), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_leaves_the_others_their_answer() {
    let fake = Fake::start().await;
    fake.hold();
    let tokens = tokens(&fake);
    let ask = || {
        let tokens = tokens.clone();
        tokio::spawn(async move { tokens.validate("good-a", false).await })
    };
    let first = ask();
    fake.until("a validation", |seen| seen.validations == 1).await;
    let second = ask();
    first.abort();
    fake.release();
    assert!(first.await.is_err_and(|e| e.is_cancelled()));
    assert_eq!(second.await.expect("task").expect("valid").user.id, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_ask_at_a_time_and_a_failure_is_shared_by_who_waits() {
    let fake = Fake::start().await;
    fake.hold();
    fake.answer_with(StatusCode::INTERNAL_SERVER_ERROR);
    let tokens = tokens(&fake);
    let mut asking = JoinSet::new();
    for n in 0..200 {
        let tokens = tokens.clone();
        asking.spawn(async move { tokens.validate(&format!("good-{n}"), false).await });
    }
    fake.until("32 validations", |seen| seen.validations == 32).await;
    fake.release();
    while let Some(answer) = asking.join_next().await {
        assert!(is_unavailable(answer.expect("task")).contains("500"));
    }
    let seen = fake.seen();
    assert!(seen.most_at_once <= 32, "{seen:?}");
    assert!(seen.validations < 200, "who waited for a turn did not ask in vain: {seen:?}");
}

#[tokio::test]
async fn our_own_token_is_renewed_when_it_is_refused() {
    let fake = Fake::start().await;
    let tokens = tokens(&fake);
    tokens.validate("good-a", false).await.expect("valid");
    fake.forget_logins();
    tokens.validate("good-b", false).await.expect("valid with a new token of ours");
    assert_eq!(fake.seen().logins, 2);
    tokens.validate("good-c", false).await.expect("valid");
    assert_eq!(fake.seen().logins, 2, "it is kept");
}

#[tokio::test]
async fn our_own_token_is_renewed_before_it_ends() {
    let fake = Fake::start().await;
    fake.logins_last(Duration::from_secs(100));
    let tokens = tokens(&fake);
    for name in ["good-a", "good-b"] {
        tokens.validate(name, false).await.expect("valid");
    }
    assert_eq!(fake.seen().logins, 2, "100 s may be too short for a request");
}

#[tokio::test]
async fn invalid_is_told_from_unavailable() {
    let fake = Fake::start().await;
    let checked = tokens(&fake);
    assert!(matches!(checked.validate("bad", false).await, Err(ValidateError::Invalid)));
    assert!(matches!(checked.validate("b\nad", false).await, Err(ValidateError::Invalid)));
    for status in [StatusCode::FORBIDDEN, StatusCode::BAD_GATEWAY, StatusCode::UNAUTHORIZED] {
        fake.answer_with(status);
        let problem = is_unavailable(checked.validate("good-a", false).await);
        assert!(problem.contains(status.as_str()), "{problem}");
    }
    fake.answer_with(StatusCode::OK);
    fake.refuse_logins();
    let problem = is_unavailable(tokens(&fake).validate("good-a", false).await);
    assert!(problem.contains("gave us no token: 401"), "{problem}");
    let url = fake.url();
    fake.stop().await;
    let problem = is_unavailable(
        tokens_at(&url, &SessionSettings::default()).validate("good-a", false).await,
    );
    assert!(problem.contains(&url), "{problem}");
}

#[tokio::test]
async fn a_keystone_that_does_not_answer_is_given_up() {
    let fake = Fake::start().await;
    fake.hold();
    let session =
        SessionSettings { timeout: Some(Duration::from_millis(200)), ..Default::default() };
    let problem = is_unavailable(tokens_at(&fake.url(), &session).validate("good-a", false).await);
    assert!(problem.contains("timed out"), "{problem}");
}

#[tokio::test]
async fn expired_tokens_are_asked_for_as_such() {
    let fake = Fake::start().await;
    let tokens = tokens(&fake);
    assert!(matches!(tokens.validate("expired-a", false).await, Err(ValidateError::Invalid)));
    let info = tokens.validate("expired-a", true).await.expect("within the window");
    assert!(info.is_expired(chrono::Utc::now()));
}
