//! `SmtpMailer`: what arrives, and what comes of all that a server can do.

use std::time::Duration;

use lucia::mail::{Mail, MailContent, MailTexts, Mailer, SendError, SmtpMailer};
use lucia_tests::{MailServer, watch};
use serde_json::json;

use super::{Authority, FROM, LOGIN, SMTP_PASSWORD, USER, mail, plain, tomorrow, url};

const SECOND: Duration = Duration::from_secs(1);

/// The whole error, as a log has it.
fn told(error: &SendError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {} {error:?}", source.unwrap_or_default())
}

fn failed(sent: Result<(), SendError>) -> String {
    match sent {
        Err(error @ SendError::Failed(_)) => told(&error),
        other => panic!("{other:?}"),
    }
}

fn refused(sent: Result<(), SendError>) -> String {
    match sent {
        Err(error @ SendError::Refused(_)) => told(&error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_mail_arrives_with_both_bodies_over_tls_and_with_a_login() {
    let authority = Authority::new();
    for (tls, scheme) in [("implicit", "smtps"), ("starttls", "smtp")] {
        let Some(server) = authority.start(tls).await else {
            return;
        };
        let mailer = authority.mailer(&url(scheme, &server));
        let texts = MailTexts::new("Größe & Söhne");
        let link = "https://example.com/reset?token=abc&x=1";
        let content = MailContent::ResetPassword { link };
        let mail = texts.mail("jörg@bücher.example", "de", content, 3600 * SECOND);
        let mail = mail.unwrap();
        mailer.send(&mail).await.unwrap();

        let received = server.mails().await.remove(0);
        assert!(received.secure, "{scheme}");
        assert_eq!(received.user.as_deref(), Some(USER));
        assert_eq!(received.envelope.from, "no-reply@example.com");
        assert_eq!(received.envelope.to.len(), 1);
        assert!(received.from.unwrap().contains("Größe & Söhne"));
        assert_eq!(received.subject.as_deref(), Some(mail.subject()));
        assert!(mail.subject().contains("Größe & Söhne"));
        assert_eq!(received.text.unwrap().trim_end(), mail.text().trim_end());
        assert_eq!(
            received.html.unwrap().trim_end(),
            mail.html().unwrap().trim_end()
        );
        assert_eq!(received.id.unwrap(), format!("<{}@example.com>", mail.id()));
        let automatic = "Auto-Submitted: auto-generated".to_owned();
        assert!(
            received.headers.contains(&automatic),
            "{:?}",
            received.headers
        );
    }
}

#[tokio::test]
async fn a_server_on_the_same_machine_is_used_without_tls_if_asked_for() {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    mailer.send(&mail("a")).await.unwrap();
    let received = server.mails().await.remove(0);
    assert!(!received.secure && received.html.is_none());
    assert_eq!(received.text.unwrap().trim_end(), "secret-text");
}

#[tokio::test]
async fn texts_arrive_as_they_are_and_smuggle_nothing() {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let smuggled = "MAIL FROM:<eve@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nx\r\n.\r\n";
    let long = "ä".repeat(5000);
    for text in [
        "one\n.\ntwo\n..three\n.four\n",
        &format!("one\r\n.\r\n{smuggled}"),
        &format!("one\n.\n{smuggled}"),
        &format!("one\r.\r{smuggled}"),
        &format!("one\n.\r\n{smuggled}"),
        &format!("one\r\n.\n{smuggled}"),
        &long,
        "",
        "=3D =20 trailing blanks   \n\ttab",
    ] {
        let before = server.mails().await.len();
        let mail = Mail::new("ada@example.org", "a", text)
            .unwrap()
            .with_html(text);
        mailer.send(&mail).await.unwrap();
        let mails = server.mails().await;
        assert_eq!(mails.len(), before + 1, "{text:?}");
        let received = &mails[before];
        assert_eq!(received.envelope.to, ["ada@example.org"]);
        // Line breaks are those of the network on the way.
        let lines = |text: &str| {
            text.replace("\r\n", "\n")
                .replace('\r', "\n")
                .trim_end()
                .to_owned()
        };
        let arrived = received.text.clone().unwrap_or_default();
        assert_eq!(lines(&arrived), lines(text));
    }
}

#[tokio::test]
async fn several_mails_share_a_connection() {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    for number in 0..5 {
        mailer.send(&mail(&number.to_string())).await.unwrap();
    }
    assert_eq!(server.mails().await.len(), 5);
    assert_eq!(server.connections().await, 1);
}

#[tokio::test]
async fn a_refused_recipient_is_refused_for_good_and_the_connection_goes_on() {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let unknown =
        json!({ "code": 550, "text": "5.1.1 no such user", "address": "ada@example.org" });
    server.behave(json!({ "refuses": { "to": unknown } })).await;
    let told = refused(mailer.send(&mail("a")).await);
    assert!(
        told.contains("the recipient") && told.contains("550"),
        "{told}"
    );
    assert!(
        !told.contains("ada") && !told.contains("no such user"),
        "{told}"
    );
    let bob = Mail::new("bob@example.org", "b", "text").unwrap();
    mailer.send(&bob).await.unwrap();
    assert_eq!(server.mails().await.len(), 1);
    assert_eq!(server.connections().await, 1);

    // For now only: a mailbox that is full, a sender that is not known yet.
    let busy = json!({ "code": 451, "text": "4.7.1 try later" });
    server.behave(json!({ "refuses": { "to": busy } })).await;
    let told = failed(mailer.send(&mail("a")).await);
    assert!(told.contains("451") && !told.contains("ada"), "{told}");

    // The content, for good.
    let spam = json!({ "code": 554, "text": "5.7.1 spam" });
    server.behave(json!({ "refuses": { "data": spam } })).await;
    let told = refused(mailer.send(&mail("a")).await);
    assert!(
        told.contains("the content") && told.contains("554"),
        "{told}"
    );

    // What the application has to correct: no mail is lost by it.
    for step in ["from", "connect"] {
        let blocked = json!({ "code": 554, "text": "5.7.1 blocked" });
        server.behave(json!({ "refuses": { step: blocked } })).await;
        server.drop_connections().await;
        let told = failed(mailer.send(&mail("a")).await);
        assert!(told.contains("554"), "{step}: {told}");
    }
    server.behave(json!({})).await;
    mailer.send(&mail("a")).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it_and_is_no_refusal_of_the_mail() {
    let authority = Authority::new();
    let Some(server) = authority.start("implicit").await else {
        return;
    };
    let logged = watch(["swordfish", SMTP_PASSWORD, "secret-text"]);
    let url = url("smtps", &server).replace(LOGIN, "lucia%40example.com:swordfish");
    let told = failed(authority.mailer(&url).send(&mail("a")).await);
    assert!(
        told.contains("signing in") && told.contains("535"),
        "{told}"
    );
    assert!(
        !told.contains("swordfish") && !told.contains(USER),
        "{told}"
    );
    assert_eq!(server.sign_ins().await.len(), 1);
    assert!(server.mails().await.is_empty());
    assert!(logged.lines().is_empty(), "{:?}", logged.lines());

    // A server that takes no login.
    let Some((server, _)) = plain().await else {
        return;
    };
    let url = format!("smtp://{LOGIN}@localhost:{}?tls=none", server.port());
    let told = failed(SmtpMailer::new(&url, FROM).unwrap().send(&mail("a")).await);
    assert!(told.contains("no sign-in"), "{told}");
}

#[tokio::test]
async fn without_tls_no_password_leaves() {
    // A server that offers no STARTTLS, as one does behind an attacker who takes the offer away.
    let options = json!({ "tls": "none", "user": USER, "password": SMTP_PASSWORD });
    let Some(server) = MailServer::start(options).await else {
        return;
    };
    let mailer = SmtpMailer::new(&url("smtp", &server), FROM).unwrap();
    let told = failed(mailer.send(&mail("a")).await);
    assert!(
        told.contains("STARTTLS") && told.contains("smtps://"),
        "{told}"
    );
    // And one that has no TLS at all.
    let mailer = SmtpMailer::new(&url("smtps", &server), FROM).unwrap();
    failed(mailer.timeout(SECOND).send(&mail("a")).await);
    assert!(server.sign_ins().await.is_empty() && server.mails().await.is_empty());
}

#[tokio::test]
async fn a_wrong_certificate_gets_no_password() {
    let (authority, another) = (Authority::new(), Authority::new());
    let yesterday = tomorrow() - time::Duration::days(2);
    for (tls, scheme) in [("implicit", "smtps"), ("starttls", "smtp")] {
        for (what, options) in [
            ("unknown", another.server(tls, "localhost", tomorrow())),
            (
                "name",
                authority.server(tls, "mail.example.com", tomorrow()),
            ),
            ("expired", authority.server(tls, "localhost", yesterday)),
        ] {
            let Some(server) = MailServer::start(options).await else {
                return;
            };
            let told = failed(
                authority
                    .mailer(&url(scheme, &server))
                    .send(&mail("a"))
                    .await,
            );
            assert!(told.contains("certificate"), "{what}: {told}");
            assert!(server.sign_ins().await.is_empty(), "{what}");
            assert!(server.mails().await.is_empty(), "{what}");
        }
    }
    // Without the authority, that of a good server is wrong as well.
    let Some(server) = authority.start("implicit").await else {
        return;
    };
    let mailer = SmtpMailer::new(&url("smtps", &server), FROM).unwrap();
    failed(mailer.send(&mail("a")).await);
    assert!(server.sign_ins().await.is_empty());
}

#[tokio::test]
async fn a_server_that_hangs_takes_no_longer_than_allowed_and_mixes_nothing_up() {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let mailer = mailer.timeout(SECOND);
    for step in ["connect", "from", "to", "data"] {
        // The first of them over a connection that waits.
        let _ = mailer.send(&mail("before")).await;
        server.behave(json!({ "hangs": step })).await;
        if step == "connect" {
            server.drop_connections().await;
        }
        let told = failed(mailer.send(&mail(step)).await);
        assert!(told.contains("took longer"), "{step}: {told}");
        server.behave(json!({})).await;
    }
    let mailer = mailer.timeout(20 * SECOND);
    let before = server.mails().await.len();
    mailer.send(&mail("after")).await.unwrap();
    let mails = server.mails().await;
    assert_eq!(mails.len(), before + 1);
    assert_eq!(mails[before].subject.as_deref(), Some("after"));
    let hung = |subject: &Option<String>| {
        matches!(subject.as_deref(), Some("connect" | "from" | "to" | "data"))
    };
    assert!(!mails.iter().any(|mail| hung(&mail.subject)));
}

#[tokio::test]
async fn a_server_that_breaks_the_connection_is_an_error_and_the_next_mail_arrives() {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    for step in ["connect", "from", "to", "data"] {
        server.behave(json!({ "drops": step })).await;
        failed(mailer.send(&mail(step)).await);
        server.behave(json!({})).await;
    }
    assert!(server.mails().await.is_empty());
    mailer.send(&mail("after")).await.unwrap();
    // One that was idle, by the server or by a restart.
    server.drop_connections().await;
    mailer.send(&mail("after a break")).await.unwrap();
    assert_eq!(server.mails().await.len(), 2);
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_without_secrets() {
    let Some((mut server, mailer)) = plain().await else {
        return;
    };
    server.stop().await;
    let told = failed(mailer.send(&mail("a")).await);
    assert!(told.contains("connecting"), "{told}");
    server.listen().await;
    mailer.send(&mail("a")).await.unwrap();
}
