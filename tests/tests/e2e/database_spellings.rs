//! Attempts at one key by spellings that the database takes for one.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lucia::{Auth, AuthRequest, Error, KeyId, KeyLink, NewKey, PasswordOptions, Session};

use super::split::WITHOUT_USERS;
use super::support::{ADMITTED, PASSWORD, Stage, request_from, request_of, request_to, sign_up};

const MINUTE: Duration = Duration::from_secs(60);
const WRONG: &str = "a wrong password";

/// How many guesses are checked.
const LIMIT: usize = 5;

/// A database that takes spellings of a name for one.
struct Spellings {
    stage: Stage,
    /// Two, as of two processes.
    auths: [Auth; 2],
    /// The first one is that of the key.
    names: [&'static str; 4],
    /// A session of the user.
    session: Session,
    /// Where the sessions are, if not beside the users.
    _sessions: Option<Stage>,
}

impl Spellings {
    /// Changes the tables of a stage by this SQL, and signs a user up by the first name. With
    /// `sessions`, these are there.
    async fn new(
        stage: Stage,
        sql: &[&str],
        names: [&'static str; 4],
        sessions: Option<Stage>,
    ) -> Self {
        for sql in sql {
            stage.execute(sql).await;
        }
        let mut auths = Vec::new();
        for _ in 0..2 {
            let passwords = PasswordOptions::new().waiting(100);
            let mut settings = stage.builder().await.passwords(passwords);
            if let Some(sessions) = &sessions {
                settings = settings.sessions(sessions.store().await);
            }
            let failures = u32::try_from(LIMIT).unwrap();
            let settings = settings.sign_in_limit(failures, 15 * MINUTE);
            auths.push(settings.build().unwrap());
        }
        let session = sign_up(&auths[0], names[0]).await;
        Self {
            stage,
            auths: auths.try_into().unwrap(),
            names,
            session,
            _sessions: sessions,
        }
    }

    /// Postgres, with ids of keys in this locale of ICU.
    async fn icu(locale: &str, names: [&'static str; 4]) -> Self {
        let collation = icu_collation(locale);
        Self::new(
            Stage::postgres().await,
            &[&collation, COLLATED],
            names,
            None,
        )
        .await
    }

    /// An attempt by the spelling and the process of this number. Every third one is a second proof.
    async fn attempt(&self, number: usize, password: &str, address: IpAddr) -> lucia::Result<()> {
        let key = ("username", self.names[number % 4]);
        let auth = &self.auths[number / 2 % 2];
        match number % 3 {
            0 => {
                let key = auth.verify_password(key, password).limit_by(address);
                // Whose session it would be has ended: the proof held.
                match auth.reauthenticate(&self.session, &key.await?).await {
                    Err(Error::Unauthenticated) => Ok(()),
                    proof => proof.map(drop),
                }
            }
            _ => {
                let used = auth.verify_password(key, password);
                used.limit_by(address).await.map(drop)
            }
        }
    }
}

fn icu_collation(locale: &str) -> String {
    format!("CREATE COLLATION folded (provider = icu, locale = '{locale}', deterministic = false)")
}

const COLLATED: &str = "ALTER TABLE user_key ALTER COLUMN id TYPE TEXT COLLATE folded";
const DANISH: &str = "da-u-ks-level1";

/// Spellings of one name in Danish.
const DANISH_NAMES: [&str; 4] = ["\u{e5}se", "aase", "\u{c5}SE", "AaSE"];

async fn danish() -> Spellings {
    Spellings::icu(DANISH, DANISH_NAMES).await
}

async fn danish_beside_sessions() -> Spellings {
    let sessions = Stage::sqlite().await;
    sessions.execute(WITHOUT_USERS).await;
    let collation = icu_collation(DANISH);
    let sql = [collation.as_str(), COLLATED];
    Spellings::new(Stage::postgres().await, &sql, DANISH_NAMES, Some(sessions)).await
}

async fn german_phone_book() -> Spellings {
    let names = ["m\u{fc}ller", "mueller", "M\u{dc}LLER", "MUELLER"];
    Spellings::icu("de-u-co-phonebk-ks-level1", names).await
}

async fn digits_by_value() -> Spellings {
    let names = ["ada7", "ada07", "ADA007", "ada0007"];
    Spellings::icu("und-u-kn-ks-level1", names).await
}

async fn citext() -> Spellings {
    let sql = [
        "CREATE EXTENSION citext",
        "ALTER TABLE user_key ALTER COLUMN id TYPE citext",
    ];
    let names = ["ada", "ADA", "Ada", "aDa"];
    Spellings::new(Stage::postgres().await, &sql, names, None).await
}

/// A key with this collation of SQLite.
async fn sqlite(collation: &str, names: [&'static str; 4]) -> Spellings {
    let sql = format!(
        "DROP TABLE user_key;
         CREATE TABLE user_key (
            id TEXT NOT NULL PRIMARY KEY COLLATE {collation},
            user_id TEXT NOT NULL REFERENCES auth_user (id), hashed_password TEXT,
            verified_at BIGINT)"
    );
    Spellings::new(Stage::sqlite().await, &[&sql], names, None).await
}

async fn nocase() -> Spellings {
    sqlite("NOCASE", ["ada", "ADA", "Ada", "aDa"]).await
}

async fn rtrim() -> Spellings {
    sqlite("RTRIM", ["ada", "ada ", "ada  ", "ada   "]).await
}

macro_rules! for_each_comparison {
    ($($case:ident),* $(,)?) => {
        for_each_comparison!(@ danish: $($case)*);
        for_each_comparison!(@ danish_beside_sessions: $($case)*);
        for_each_comparison!(@ german_phone_book: $($case)*);
        for_each_comparison!(@ digits_by_value: $($case)*);
        for_each_comparison!(@ citext: $($case)*);
        for_each_comparison!(@ nocase: $($case)*);
        for_each_comparison!(@ rtrim: $($case)*);
    };
    (@ $comparison:ident: $($case:ident)*) => {
        mod $comparison {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::$comparison().await).await;
            })*
        }
    };
}

for_each_comparison![
    r34_spellings_buy_no_guesses,
    r34_spellings_at_once_buy_no_guesses,
    r34_a_success_takes_its_own_attempt_back_by_whatever_spelling,
    r38_a_full_count_of_a_stored_key_is_answered_as_an_unknown_name,
    r34_a_key_that_is_spelled_anew_has_one_more_count,
    r58_links_and_codes_are_for_the_address_as_it_is_stored,
    r62_an_undo_gives_the_former_address_back_to_the_letter,
];

async fn r62_an_undo_gives_the_former_address_back_to_the_letter(spellings: Spellings) {
    let Spellings {
        auths,
        names: [stored, others @ ..],
        session,
        ..
    } = &spellings;
    let stored = KeyId::from(("username", stored));
    let thief = request_of(&auths[0], session);
    let verification = thief.create_email_verification(&stored).await;
    let verification = verification.unwrap().unwrap();
    let undo = verified_and_changed(&thief, verification, &stored).await;
    // The mailbox of another spelling can be the thief's.
    let key = NewKey::with_password(("username", others[0]), PASSWORD);
    thief.create_key(key).await.unwrap();

    let owner = request_to(&auths[1]);
    let undone = owner.undo_email_change(undo.token.expose()).await;
    undone.unwrap();
    let keys = auths[0].user_keys(&session.user_id).await.unwrap();
    let ids: Vec<_> = keys.iter().map(|key| &key.id).collect();
    assert_eq!(ids, [&stored]);
}

/// Verifies an address by this link, and changes it, spelled like this. Returns the link to undo the change.
async fn verified_and_changed(
    request: &AuthRequest,
    verification: KeyLink,
    spelled: &KeyId,
) -> KeyLink {
    let verified = request.verify_email(verification.token.expose()).await;
    assert_eq!(verified.unwrap().key.id, verification.key);
    let new = KeyId::from(("username", "countess"));
    let link = request.create_email_change(spelled, &new).await;
    let link = link.unwrap().unwrap();
    assert_eq!(link.key, new);
    let change = request.change_email(link.token.expose()).await;
    change.unwrap().undo.unwrap()
}

async fn r58_links_and_codes_are_for_the_address_as_it_is_stored(spellings: Spellings) {
    let Spellings {
        auths,
        names: [stored, others @ ..],
        session,
        ..
    } = &spellings;
    let stored = KeyId::from(("username", stored));
    let of_user = request_of(&auths[0], session);
    let verification = of_user.create_email_verification(("username", others[0]));
    let verification = verification.await.unwrap().unwrap();
    assert_eq!(verification.key, stored);
    for (number, name) in others.iter().enumerate() {
        let request = request_from(&auths[number % 2], address(number));
        let key = ("username", name);
        let reset = request.create_password_reset(key).await;
        let link = request.create_sign_in_link(key).await;
        let code = request.create_sign_in_code(key).await;
        let keys = [
            reset.unwrap().unwrap().key,
            link.unwrap().unwrap().key,
            code.unwrap().unwrap().key,
        ];
        assert_eq!(keys, [(); 3].map(|()| stored.clone()), "{name}");
    }

    let spelled = KeyId::from(("username", others[1]));
    let undo = verified_and_changed(&of_user, verification, &spelled).await;
    assert_eq!(undo.key, stored);
}

fn address(number: usize) -> IpAddr {
    Ipv4Addr::from(0xc0_00_02_00 + u32::try_from(number).unwrap()).into()
}

async fn r34_spellings_buy_no_guesses(spellings: Spellings) {
    // The right password after so many guesses, at last by each spelling and process.
    for guesses in [0, LIMIT - 1, LIMIT, 3 * LIMIT] {
        for last in 0..12 {
            let here = address(100 * guesses + last);
            for number in 0..guesses {
                let refused = spellings.attempt(number, WRONG, here).await;
                match refused {
                    Err(Error::InvalidCredentials) => {}
                    Err(Error::TooManyAttempts { .. }) if number >= LIMIT => {}
                    refused => panic!("{number}: {refused:?}"),
                }
            }
            let opened = spellings.attempt(last, PASSWORD, here).await;
            assert_eq!(opened.is_ok(), guesses < LIMIT, "{guesses}: {opened:?}");
        }
    }
}

async fn r34_spellings_at_once_buy_no_guesses(spellings: Spellings) {
    let Spellings { stage, auths, .. } = &spellings;
    // Those whose password was checked and is right wait for their own attempts to be taken back.
    stage.probe.halt("uncount_attempt");
    let mut attempts: FuturesUnordered<_> = (0..40)
        .map(|number| async move {
            let key = ("username", spellings.names[number % 4]);
            let used = auths[number / 4 % 2].verify_password(key, PASSWORD);
            used.limit_by(address(0)).await
        })
        .collect();
    for _ in LIMIT..40 {
        let refused = attempts.next().await.unwrap();
        assert!(
            matches!(
                refused,
                Err(Error::InvalidCredentials | Error::TooManyAttempts { .. })
            ),
            "{refused:?}"
        );
    }
    let opening = async {
        for _ in 0..LIMIT {
            stage.probe.arrived("uncount_attempt").await;
        }
        stage.probe.release("uncount_attempt");
    };
    let rest = async {
        while let Some(opened) = attempts.next().await {
            opened.unwrap();
        }
    };
    tokio::join!(opening, rest);
}

async fn r34_a_success_takes_its_own_attempt_back_by_whatever_spelling(spellings: Spellings) {
    for number in 0..5 * LIMIT {
        let opened = spellings.attempt(number, PASSWORD, address(0)).await;
        assert!(opened.is_ok(), "{number}: {opened:?}");
    }
    assert_eq!(spellings.stage.count("sign_in_attempt").await, 0);
}

async fn r38_a_full_count_of_a_stored_key_is_answered_as_an_unknown_name(spellings: Spellings) {
    let Spellings { stage, auths, .. } = &spellings;
    let attempt = async |name: &str, password| {
        let used = auths[0].verify_password(("username", name), password);
        let told = match used.limit_by(address(0)).await.unwrap_err() {
            Error::InvalidCredentials => "wrong",
            Error::TooManyAttempts { .. } => "too many",
            error => panic!("{error:?}"),
        };
        (told, stage.probe.calls())
    };
    stage.probe.calls();
    for _ in 0..LIMIT {
        attempt(spellings.names[0], WRONG).await;
    }
    // The other spellings, of which some are in the first place that is full.
    for name in &spellings.names[1..] {
        let mut answers = Vec::new();
        for _ in 0..LIMIT + 2 {
            answers.push(attempt(name, PASSWORD).await);
        }
        let too_many = ("too many", vec!["count_attempt"]);
        if answers[0] == too_many {
            assert!(answers.iter().all(|answer| *answer == too_many));
            continue;
        }
        // As a name that nobody has, one by one.
        for answer in answers {
            let unknown = format!("nobody as {name}");
            assert_eq!(answer, attempt(&unknown, PASSWORD).await, "{name}");
        }
    }
}

async fn r34_a_key_that_is_spelled_anew_has_one_more_count(spellings: Spellings) {
    let Spellings { auths, names, .. } = &spellings;
    // Another one, so that the key is not the last.
    let other = NewKey::without_password(("github", "1"));
    let user_id = &spellings.session.user_id;
    auths[0].create_key(user_id, other).await.unwrap();
    let mut guesses = 0;
    for round in 0..4 {
        for number in 0..4 * LIMIT {
            guesses += usize::from(is_checked(&spellings, number).await);
        }
        // To and fro between two spellings.
        let [from, to] = [names[round % 2], names[(round + 1) % 2]];
        auths[0].delete_key(("username", from)).await.unwrap();
        let key = NewKey::with_password(("username", to), PASSWORD);
        auths[0].create_key(user_id, key).await.unwrap();
    }
    assert!(guesses <= 2 * LIMIT, "{guesses} guesses");
}

/// Whether a guess is checked, by this spelling. The guess is right, and given up where that is found.
async fn is_checked(spellings: &Spellings, number: usize) -> bool {
    let probe = &spellings.stage.probe;
    probe.halt("uncount_attempt");
    let key = ("username", spellings.names[number % 4]);
    let used = spellings.auths[number / 4 % 2].verify_password(key, PASSWORD);
    let is_checked = tokio::select! {
        refused = used.limit_by(address(0)) => {
            assert!(refused.is_err(), "{refused:?}");
            false
        }
        () = probe.arrived("uncount_attempt") => true,
    };
    probe.release("uncount_attempt");
    is_checked
}

#[tokio::test]
async fn r38_a_full_count_of_a_stored_key_is_answered_after_a_hash() {
    let spellings = danish().await;
    // All but one of those that are hashed at once find the only place taken.
    let passwords = PasswordOptions::new().at_once(1).waiting(0);
    let settings = spellings.stage.builder().await.passwords(passwords);
    let auth = settings.sign_in_limit(5, 15 * MINUTE).build().unwrap();
    let attempt = async |name, password| {
        let used = auth.verify_password(("username", name), password);
        used.limit_by(address(0)).await
    };
    for _ in 0..LIMIT {
        let refused = attempt("aase", WRONG).await;
        assert!(matches!(refused, Err(Error::InvalidCredentials)));
    }
    let at_once = (0..LIMIT).map(|_| attempt("\u{e5}se", PASSWORD));
    let mut hashed = 0;
    let mut too_busy = 0;
    for refused in futures_util::future::join_all(at_once).await {
        match refused {
            Err(Error::InvalidCredentials) => hashed += 1,
            Err(Error::Busy) => too_busy += 1,
            refused => panic!("{refused:?}"),
        }
    }
    assert!(hashed > 0 && too_busy > 0, "{hashed} and {too_busy}");
}

/// An attempt that is given up is a guess in both places, or in none.
#[tokio::test]
async fn r34_an_attempt_that_is_given_up_is_counted_in_both_places_or_in_none() {
    for gate in ["count_attempt", ADMITTED] {
        let spellings = danish().await;
        let Spellings { stage, auths, .. } = &spellings;
        stage.probe.halt(gate);
        let attempt = auths[0].verify_password(("username", "aase"), PASSWORD);
        tokio::select! {
            _ = attempt.limit_by(address(0)) => panic!("{gate} was not halted"),
            () = stage.probe.arrived(gate) => {}
        }
        let counted = if gate == ADMITTED { 2 } else { 0 };
        assert_eq!(stage.count("sign_in_attempt").await, counted, "{gate}");
    }
}

/// Where the second place cannot be written, the first one is not written either, and no password is
/// checked.
#[tokio::test]
async fn r34_an_attempt_whose_second_place_fails_is_not_counted() {
    let postgres = "CREATE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS \
             $$ BEGIN RAISE 'no second place'; END $$;
         CREATE TRIGGER second BEFORE INSERT ON sign_in_attempt FOR EACH ROW \
             WHEN (NEW.id = 'SECOND') EXECUTE FUNCTION fail()";
    let sqlite = "CREATE TRIGGER second BEFORE INSERT ON sign_in_attempt WHEN NEW.id = 'SECOND' \
         BEGIN SELECT RAISE(ABORT, 'no second place'); END";
    for (spellings, trigger) in [(danish().await, postgres), (nocase().await, sqlite)] {
        let Spellings { stage, names, .. } = &spellings;
        let name = names[0];
        // Which row is in the second place: the one that another spelling's first place is not.
        let halted = async |name: &'static str| {
            stage.probe.halt(ADMITTED);
            let used = spellings.auths[0].verify_password(("username", name), PASSWORD);
            tokio::select! {
                _ = used.limit_by(address(0)) => panic!("not halted"),
                () = stage.probe.arrived(ADMITTED) => {}
            }
            stage.probe.release(ADMITTED);
        };
        halted(name).await;
        let before = stage.rows("SELECT id FROM sign_in_attempt").await;
        assert_eq!(before.len(), 2);
        stage.execute("DELETE FROM sign_in_attempt").await;
        let mut failures = 0;
        for id in before.into_iter().flatten().flatten() {
            stage.execute(&trigger.replace("SECOND", &id)).await;
            let used = spellings.auths[1].verify_password(("username", name), PASSWORD);
            let failed = used.limit_by(address(0)).await;
            assert!(
                !matches!(failed, Ok(_) | Err(Error::InvalidCredentials)),
                "{failed:?}"
            );
            failures += 1;
            assert_eq!(stage.count("sign_in_attempt").await, 0);
            stage
                .execute(match stage.is_postgres() {
                    true => "DROP FUNCTION fail CASCADE",
                    false => "DROP TRIGGER second",
                })
                .await;
        }
        assert_eq!(failures, 2);
    }
}
