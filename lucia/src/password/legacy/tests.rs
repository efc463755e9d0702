use super::super::{PasswordOptions, Passwords, Verdict};
use super::{BCRYPT_MAX_COST, LegacyHash, read_hex};
use crate::{Error, Result};

/// The vector of RFC 7914, section 12 with N=16384, r=8 and p=1, which is what Lucia stored in two
/// parts. The password is `pleaseletmein`.
const RFC_7914: &str = "SodiumChloride:7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887";

/// Passwords that NFKC changes: full width letters, decomposed umlauts, a NUL and a ligature.
const WIDE: &str = "ｐａｓｓｗｏｒｄ";
const DECOMPOSED: &str = "pa\u{308}sswo\u{308}rd";
const ODD: &str = "🦀 \0 ﬁn Ⅷ";

/// Made by `lucia` 2.7.7, which normalises.
pub(in crate::password) const LUCIA: [(&str, &str); 4] = [
    (
        "correct horse battery",
        "s2:3uw485eja8q0dmml:89a7e3cf65b6b51d00de282f28de63e93eb546ff15bde49a17b6b00201eec78e959e0a9204075cb58ef1ff88e465a10d31a96672e2da497dfaedcf557ed73f65",
    ),
    (
        WIDE,
        "s2:e7qclqyll3z16mrt:dfddb5bf220051e5d1dce8aa00f803fea6acc5bb90d037206935d955c0b5f378bb0318eb79fac596a54d2b18f5407f47a805037b80f7b61afa6c56905a6c87dc",
    ),
    (
        DECOMPOSED,
        "s2:fa65mc660stz4hxp:87768320aaf4e88b60b495620592c4c76ae465642dc1de6fadd8337483d2dfed407fa5caf0891786e6f279731c8bbb798d0e07ced24dfc964a59461663e9d366",
    ),
    (
        ODD,
        "s2:pvovif9aa5yv77z3:70a390a11d92ff6dfd5fd8c362de1c9932e86d02abe559be7c00b7013296e9f420bc720f337a2e1d4926e54f993282f7280cc41fd11e6c20e9cf1314d736d996",
    ),
];

/// Made by `lucia-auth` 0.1.1, which did not normalise.
const LUCIA_TWO_PARTS: [(&str, &str); 4] = [
    (
        "correct horse battery",
        "XhZFUMeQXA7KHXwo:dd0ff5afacd0a07ab7f5b6eae386edbfe37185ee9487213fcf16b0995c9c17322f5161e37633706167a8a2f4ec476b6b85e729de23e53be97c68ba7f21fe3e4c",
    ),
    (
        WIDE,
        "RUiEvesMXESfwC2n:308c431c2373ff74339b6db945deea7d40cb6fd503814595f0ff27ef4ccb5836d845e0aba526380385d38388f2fc7498bb9692ffd8abd6df58d209e6c2138e97",
    ),
    (
        DECOMPOSED,
        "rsvqcnlIhBfigD6l:9b006fbce1b790c459d22c29b2591172828e11925ec7c008997b41f202ec32c484299c4d5f5a4ca2a00bbec7499af05f471ae089758fca49208f8c804054044b",
    ),
    (
        ODD,
        "8XbVJ7CDDPZ5hkhA:2af14dcaa1966956a8dd1231d9b5af71e1cd75094034bf2ac65314638387b46a6c575bd4bb8565a245353b9e37cda614f158b135fae24f0c048d964c57016471",
    ),
];

/// Published by Openwall (crypt_blowfish 1.3, `wrapper.c`), OpenBSD (regress/lib/libc/crypt) and
/// `bcrypt_elixir`, for any bytes.
const BCRYPT: [(&[u8], &str); 11] = [
    (
        b"U*U",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ),
    (
        b"U*U*",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
    ),
    (
        b"U*U*U",
        "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
    ),
    (
        b"",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy",
    ),
    (
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
    ),
    (
        b"\xff\xff\xa3",
        "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
    ),
    (
        b"\xa3",
        "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq",
    ),
    (
        b"\xff\xff\xa3",
        "$2b$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
    ),
    (
        &[b'0'; 72],
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.6.O1dLNbjod2uo0DVcW.jHucKbPDdHS",
    ),
    (
        "ππππππππ".as_bytes(),
        "$2a$10$.TtQJ4Jr6isd4Hp.mVfZeuh6Gws4rOQ/vdBczhDx.19NFK0Y84Dle",
    ),
    (
        b"C'est bon, la vie!",
        "$2b$12$cbo7LZ.wxgW4yxAA5Vqlv.KR6QFPt4qCdc9RYJNXxa/rbUOp.1sw.",
    ),
];

/// Made by `bcryptjs` 3.0.3, which does not normalise.
const BCRYPT_JS: [(&str, &str); 6] = [
    (
        "correct horse battery",
        "$2a$05$wM.9ddZk2VSkHWjky7xKRONhwbm5O5P54PhTcR/AVhYRwQ9eDwfM2",
    ),
    (
        "correct horse battery",
        "$2b$05$ES0wuLkLUwIvmy.H1zdWAertaHWKBSF/4jhYnFB8Rxfc.Y8n6zS2K",
    ),
    (
        "correct horse battery",
        "$2y$05$NBpFYfin3xEFNX7LTy2eHOf57zXSEUCUCQAi7hr4cFlynvhu0XYxO",
    ),
    (
        WIDE,
        "$2b$05$dQ4QTRr3on74AOxwdA6PS.5ROZ91Twylk9SkRPwtA8BJsJvmpW0wy",
    ),
    (
        DECOMPOSED,
        "$2a$05$LwdSrYxHMnlBpqc7khFKNufEw.LuNnuuTMDF2rYFJwA06htoLcsPu",
    ),
    (
        ODD,
        "$2b$05$/k4rZI2ZZnUmVEgy1V3Q6umea530msWa4HjtdhzGXyAM3FL26dg0q",
    ),
];

fn options() -> PasswordOptions {
    PasswordOptions::new()
}

async fn verify_with(options: PasswordOptions, password: &str, hash: &str) -> Result<Verdict> {
    let passwords = Passwords::new(&options).unwrap();
    passwords.verify(password, Some(hash)).await
}

async fn verify(password: &str, hash: &str) -> Result<Verdict> {
    verify_with(options(), password, hash).await
}

/// Why a hash cannot be verified.
fn reason(verdict: Result<Verdict>) -> String {
    match verdict {
        Ok(Verdict::Unreadable(problem)) => problem.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r44_scrypt_is_that_of_rfc_7914() {
    // The first two vectors of section 12; the third is `RFC_7914`.
    for (password, salt, log_n, r, p, expected) in [
        (
            "",
            "",
            4,
            1,
            1,
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
        ),
        (
            "password",
            "NaCl",
            10,
            8,
            16,
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
        ),
    ] {
        let params = scrypt::Params::new(log_n, r, p).unwrap();
        let mut key = [0; 64];
        scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut key).unwrap();
        assert_eq!(Some(key), read_hex(expected));
    }
}

#[tokio::test]
async fn r44_the_vector_of_rfc_7914_opens_in_two_parts() {
    let verdict = verify("pleaseletmein", RFC_7914).await;
    assert_eq!(verdict.unwrap(), Verdict::Opens);
    let verdict = verify("pleaseletmeim", RFC_7914).await;
    assert_eq!(verdict.unwrap(), Verdict::Refused);
    // Another salt, and the same parts for the other block size.
    for hash in [
        RFC_7914.replace("SodiumChloride", "SodiumChlorida"),
        format!("s2:{RFC_7914}"),
    ] {
        let verdict = verify("pleaseletmein", &hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Refused, "{hash}");
    }
}

#[tokio::test]
async fn r44_hashes_of_lucia_open_in_every_form_of_the_password() {
    for (password, hash) in LUCIA {
        let normal = super::Password::new(password).normal;
        for password in [password, &normal] {
            let verdict = verify(password, hash).await;
            assert_eq!(verdict.unwrap(), Verdict::Opens, "{password}");
        }
        let verdict = verify("another password", hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Refused, "{hash}");
    }
}

#[tokio::test]
async fn r44_hashes_of_the_first_lucia_open_as_their_password_was_typed() {
    for (password, hash) in LUCIA_TWO_PARTS {
        let verdict = verify(password, hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Opens, "{password}");
        let verdict = verify("another password", hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Refused, "{hash}");
    }
}

#[test]
fn r44_bcrypt_is_that_of_openwall_and_openbsd() {
    for (password, hash) in BCRYPT {
        let read = LegacyHash::read(hash, false).unwrap();
        assert!(read.is_of(password).unwrap(), "{hash}");
        assert!(!read.is_of(b"another password").unwrap(), "{hash}");
    }
}

#[tokio::test]
async fn r44_hashes_of_bcryptjs_open_as_their_password_was_typed() {
    for (password, hash) in BCRYPT_JS {
        let verdict = verify(password, hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Opens, "{password}");
        let verdict = verify("another password", hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Refused, "{hash}");
    }
}

#[tokio::test]
async fn r44_a_bcrypt_hash_of_the_normal_form_opens_to_every_form() {
    let hash = bcrypt::hash("password", 4).unwrap();
    let verdict = verify(WIDE, &hash).await;
    assert_eq!(verdict.unwrap(), Verdict::Opens);
}

#[tokio::test]
async fn r44_bcrypt_ignores_what_comes_after_72_bytes_as_the_original_did() {
    let (of_72, of_71) = ("0".repeat(72), "0".repeat(71));
    let hash = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.6.O1dLNbjod2uo0DVcW.jHucKbPDdHS";
    for password in [&of_72, &format!("{of_72}1")] {
        let verdict = verify(password, hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Opens, "{password}");
    }
    let verdict = verify(&of_71, hash).await;
    assert_eq!(verdict.unwrap(), Verdict::Refused);
}

#[tokio::test]
async fn r44_an_empty_or_over_long_password_opens_nothing() {
    let empty = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy";
    assert_eq!(verify("", empty).await.unwrap(), Verdict::Refused);
    let zeros = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.6.O1dLNbjod2uo0DVcW.jHucKbPDdHS";
    let verdict = verify(&"0".repeat(1024), zeros).await;
    assert_eq!(verdict.unwrap(), Verdict::Refused);
}

#[tokio::test]
async fn r43_legacy_hashes_are_outdated_only_where_that_is_allowed() {
    let [(password, lucia), ..] = LUCIA;
    let [(_, two_parts), ..] = LUCIA_TWO_PARTS;
    let [(_, bcrypt), ..] = BCRYPT_JS;
    let allowed = options().upgrade_legacy_hashes(true);
    for hash in [lucia, two_parts, bcrypt] {
        let verdict = verify(password, hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Opens);
        let verdict = verify_with(allowed.clone(), password, hash).await;
        assert_eq!(verdict.unwrap(), Verdict::OpensOutdated);
        let verdict = verify_with(allowed.clone(), "another password", hash).await;
        assert_eq!(verdict.unwrap(), Verdict::Refused);
    }
}

#[tokio::test]
async fn r43_a_bcrypt_hash_that_did_not_see_the_whole_password_is_never_outdated() {
    let allowed = options().upgrade_legacy_hashes(true);
    for (length, expected) in [
        (71, Verdict::OpensOutdated),
        (72, Verdict::Opens),
        (80, Verdict::Opens),
    ] {
        let password = "x".repeat(length);
        let hash = bcrypt::hash(&password, 4).unwrap();
        let verdict = verify_with(allowed.clone(), &password, &hash).await;
        assert_eq!(verdict.unwrap(), expected, "{length}");
    }
}

#[tokio::test]
async fn r44_malformed_hashes_open_to_nothing_and_show_nothing() {
    let hex = "0".repeat(128);
    let digits = "1".repeat(10_000);
    let bcrypt = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let mut hashes = vec![
        ":".to_owned(),
        "::".to_owned(),
        ":::::::".to_owned(),
        format!(":{hex}"),
        format!("s2::{hex}"),
        format!("s3:salt:{hex}"),
        format!("s2:salt:{hex}:{hex}"),
        format!("s2:salt:{hex}0"),
        format!("s2:salt:{}", &hex[1..]),
        format!("s2:salt:{}g", &hex[1..]),
        format!("s2:salt:{}é", &hex[2..]),
        format!("s2:salt:+{}", &hex[1..]),
        format!("s2:{digits}:{hex}"),
        format!("s2:salt:{digits}"),
        format!("{}:{hex}", "é".repeat(33)),
        ":".repeat(100_000),
        "$2".to_owned(),
        "$2b$".to_owned(),
        format!("$2$05${bcrypt}"),
        format!("$2x$05${bcrypt}"),
        format!("$2c$05${bcrypt}"),
        format!("$2b$5${bcrypt}"),
        format!("$2b$xx${bcrypt}"),
        format!("$2b$00${bcrypt}"),
        format!("$2b$03${bcrypt}"),
        format!("$2b$32${bcrypt}"),
        format!("$2b$99${bcrypt}"),
        format!("$2b$05${bcrypt}W"),
        format!("$2b$05${}", &bcrypt[1..]),
        format!("$2b$05$é{}", &bcrypt[2..]),
        format!("$2b$05$é{}", &bcrypt[1..]),
        format!("$2b$05$!{}", &bcrypt[1..]),
        format!("$2b$05${digits}"),
    ];
    // Cut anywhere.
    for (_, whole) in [LUCIA[0], BCRYPT_JS[0]] {
        hashes.extend((0..whole.len()).map(|length| whole[..length].to_owned()));
    }
    let passwords = Passwords::new(&options()).unwrap();
    for hash in hashes {
        let verdict = passwords.verify("correct horse battery", Some(&hash)).await;
        let text = reason(verdict);
        assert!(text.starts_with("a stored password hash "), "{text}");
        assert!(!text.contains("salt:0") && !text.contains("CCCC"), "{text}");
    }
}

#[tokio::test]
async fn r44_a_bcrypt_hash_above_cost_16_is_refused_and_not_run() {
    let salt = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for cost in BCRYPT_MAX_COST + 1..=31 {
        // One of cost 31 would take days.
        let text = reason(verify("U*U", &format!("$2b${cost:02}${salt}")).await);
        assert!(text.contains("above 16"), "{text}");
    }
    assert!(LegacyHash::read(&format!("$2b$16${salt}"), false).is_ok());
}

#[tokio::test]
async fn r44_an_unknown_hash_is_told_what_is_supported() {
    for hash in [
        "plain text",
        "$1$salt$hash",
        "$scrypt$ln=14,r=8,p=1$c2FsdA$aGFzaA",
    ] {
        let text = reason(verify("U*U", hash).await);
        for kind in ["Argon2", "s2:", "$2a$", "$2b$", "$2y$"] {
            assert!(text.contains(kind), "{text}");
        }
    }
}

#[tokio::test]
async fn r37_legacy_hashes_wait_for_their_turn_as_others_do() {
    let options = options().at_once(1).waiting(1);
    let passwords = Passwords::new(&options).unwrap();
    let [(password, hash), ..] = LUCIA;
    let verify = || passwords.verify(password, Some(hash));
    let (a, b, c) = tokio::join!(verify(), verify(), verify());
    assert_eq!((a.unwrap(), b.unwrap()), (Verdict::Opens, Verdict::Opens));
    assert!(matches!(c, Err(Error::Busy)), "{c:?}");
}
