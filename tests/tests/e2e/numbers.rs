//! Numbers with more digits than a float has.

use lucia::{Auth, Error, NewUser, User};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Stage, on_each_store, sign_up};

on_each_store![
    whole_numbers_of_64_bits_and_floats_go_in_and_out_as_they_are,
    decimals_in_a_column_of_text_keep_their_digits,
    numbers_in_json_keep_their_digits,
];

/// What a lookup gives, and what an update gives that writes it back.
async fn back_and_forth<A: Serialize + DeserializeOwned>(auth: &Auth, stage: &Stage) {
    let id = stage
        .value("SELECT id FROM auth_user")
        .await
        .unwrap()
        .as_str()
        .parse()
        .unwrap();
    let before = stage.rows("SELECT * FROM auth_user").await;
    for _ in 0..2 {
        let user: User<A> = auth.user(&id).await.unwrap().unwrap();
        let written = serde_json::to_value(&user.attributes).unwrap();
        auth.update_user_attributes::<A>(&id, &written)
            .await
            .unwrap();
        assert_eq!(
            stage.rows("SELECT * FROM auth_user").await,
            before,
            "{written}"
        );
        auth.check_schema::<A>().await.unwrap();
    }
}

async fn whole_numbers_of_64_bits_and_floats_go_in_and_out_as_they_are(stage: Stage) {
    #[derive(Serialize, Deserialize)]
    struct Columns {
        large: i64,
        float: f64,
    }
    #[derive(Serialize, Deserialize)]
    struct Loose {
        large: Value,
        float: Value,
    }

    stage
        .add_columns(&["large BIGINT", "float DOUBLE PRECISION"])
        .await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    for large in [i64::MAX, i64::MIN, (1 << 53) + 1, -9_007_199_254_740_993] {
        for float in [
            0.1 + 0.2,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            1.5e300,
            9_007_199_254_740_993.0,
            4.35,
            0.012_345_678_901_234_567,
        ] {
            let given = json!({ "large": large, "float": float });
            let updated = auth.update_user_attributes::<Columns>(&session.user_id, &given);
            let updated = updated.await.unwrap();
            assert_eq!(
                (updated.large, updated.float.to_bits()),
                (large, float.to_bits())
            );
            back_and_forth::<Columns>(&auth, &stage).await;
            back_and_forth::<Loose>(&auth, &stage).await;
            let loose = auth.user::<Loose>(&session.user_id).await.unwrap().unwrap();
            assert!(loose.large.is_number() && loose.float.is_number());
        }
    }
}

const DECIMALS: [&str; 6] = [
    "12345678901234567890.12345678",
    "-0.00000001",
    "9007199254740993.00000001",
    "0.30000000",
    "99999999999999999999.99999999",
    "1234567890.12345678",
];

async fn decimals_in_a_column_of_text_keep_their_digits(stage: Stage) {
    #[derive(Serialize, Deserialize)]
    struct Account {
        balance: Decimal,
    }

    stage.add_columns(&["balance TEXT"]).await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    for number in DECIMALS {
        let balance: Decimal = number.parse().unwrap();
        let account = Account { balance };
        let updated = auth.update_user_attributes::<Account>(&session.user_id, &account);
        assert_eq!(updated.await.unwrap().balance, balance);
        back_and_forth::<Account>(&auth, &stage).await;
    }
}

async fn numbers_in_json_keep_their_digits(stage: Stage) {
    #[derive(Deserialize)]
    struct Account {
        details: Details,
    }
    #[derive(Deserialize)]
    struct Details {
        balance: Decimal,
        part: f64,
    }

    stage.add_columns(&["details JSON"]).await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    for number in DECIMALS {
        let sql = format!("UPDATE auth_user SET details = '{{\"balance\":{number},\"part\":0.5}}'");
        stage.execute(&sql).await;
        let user = auth
            .user::<Account>(&session.user_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(user.details.balance, number.parse().unwrap());
        assert_eq!(user.details.part, 0.5);
    }
}

#[tokio::test]
async fn on_postgres_numeric_keeps_its_digits() {
    #[derive(Serialize, Deserialize)]
    struct Account {
        balance: Decimal,
        optional: Option<Decimal>,
        huge: Option<String>,
    }
    #[derive(Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        account: Account,
    }

    /// Takes what comes: a decimal as text.
    #[derive(Serialize, Deserialize)]
    struct Stored {
        balance: Value,
        optional: Value,
        huge: Value,
    }

    let stage = Stage::postgres().await;
    stage
        .add_columns(&[
            "balance NUMERIC(28, 8)",
            "optional NUMERIC(28, 8)",
            "huge NUMERIC",
        ])
        .await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    for number in DECIMALS {
        let balance: Decimal = number.parse().unwrap();
        let huge = "123456789012345678901234567890.123456789012345678901234567890";
        let account = Account {
            balance,
            optional: Some(balance),
            huge: Some(huge.to_owned()),
        };
        let updated = auth.update_user_attributes::<Account>(&session.user_id, &account);
        let updated = updated.await.unwrap();
        assert_eq!(
            (updated.balance, updated.optional),
            (balance, Some(balance))
        );
        assert_eq!(updated.huge.as_deref(), Some(huge));
        let stored = stage.value("SELECT balance FROM auth_user").await;
        assert_eq!(stored.as_deref(), Some(number));
        back_and_forth::<Account>(&auth, &stage).await;
        back_and_forth::<Flat>(&auth, &stage).await;
        back_and_forth::<Stored>(&auth, &stage).await;
        let name = format!("user {number}");
        let new = NewUser::with_password(("username", &name), PASSWORD);
        let new = new.attributes(&json!({ "username": name, "balance": balance }));
        let created = auth.create_user(new.returning::<Balance>()).await.unwrap();
        assert_eq!(created.balance, balance);
        auth.delete_user(&created.id).await.unwrap();
    }
}

#[derive(Debug, Deserialize)]
struct Balance {
    balance: Decimal,
}

#[tokio::test]
async fn on_postgres_attributes_of_sessions_and_lookups_keep_digits() {
    let stage = Stage::postgres().await;
    stage.add_columns(&["balance NUMERIC(28, 8)"]).await;
    let store = stage
        .store_with_session_columns(&["balance NUMERIC(28, 8)"])
        .await;
    let auth = stage.builder_over(store).build().unwrap();
    let ada = sign_up(&auth, "ada").await;
    for number in DECIMALS {
        let balance: Decimal = number.parse().unwrap();
        let given = json!({ "balance": balance });
        let user = auth.update_user_attributes::<Balance>(&ada.user_id, &given);
        assert_eq!(user.await.unwrap().balance, balance);
        let session = auth
            .create_session(&ada.user_id)
            .attributes(&given)
            .await
            .unwrap();
        assert_eq!(session.attributes_as::<Balance>().unwrap().balance, balance);
        let found = auth
            .validate_session(session.token())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.attributes_as::<Balance>().unwrap().balance, balance);
        let updated = auth
            .update_session_attributes(&session.id, &given)
            .await
            .unwrap();
        assert_eq!(updated.attributes_as::<Balance>().unwrap().balance, balance);
    }
}

#[tokio::test]
async fn on_sqlite_a_decimal_for_a_column_that_would_round_it_is_refused() {
    let stage = Stage::sqlite().await;
    stage.add_columns(&["balance NUMERIC(28, 8)"]).await;
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let update = async |number: &str| {
        let balance: Decimal = number.parse().unwrap();
        let given = json!({ "balance": balance });
        auth.update_user_attributes::<Balance>(&ada.user_id, &given)
            .await
    };
    for number in ["12345678901234567890.12345678", "1234567890.12345678"] {
        match update(number).await {
            Err(Error::InvalidAttribute { column, reason, .. }) => {
                assert_eq!(column.as_deref(), Some("balance"));
                assert!(reason.contains("declare it as TEXT"), "{reason}");
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    for number in ["0.30000000", "-12.5", "1234567.12345678"] {
        let balance = update(number).await.unwrap().balance;
        assert_eq!(balance, number.parse().unwrap());
    }
}
