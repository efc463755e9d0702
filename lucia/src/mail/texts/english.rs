//! The words in English.

use super::{MailContent, MailOccasion, MailWords, Unit, largest_unit};

const FALLBACK: &str = "If the button does not work, open this link:";

pub(super) fn words(occasion: &MailOccasion<'_>) -> MailWords {
    let site = occasion.site;
    let lifetime = match largest_unit(occasion.lifetime) {
        (1, Unit::Hours) => "1 hour".to_owned(),
        (1, Unit::Minutes) => "1 minute".to_owned(),
        (number, Unit::Days) => format!("{number} days"),
        (number, Unit::Hours) => format!("{number} hours"),
        (number, Unit::Minutes) => format!("{number} minutes"),
    };
    let words = |subject: String| MailWords::new("en", subject);
    let once = format!("The link works once, and for {lifetime}.");
    match occasion.content {
        MailContent::VerifyAddress { .. } => {
            words(format!("Confirm your e-mail address for {site}"))
                .before(format!(
                    "Confirm that this is your e-mail address for {site}."
                ))
                .button("Confirm address", FALLBACK)
                .after(once)
                .after("If you have no account there, ignore this e-mail.")
        }
        MailContent::ResetPassword { .. } => words(format!("Reset your {site} password"))
            .before(format!(
                "Someone asked to reset the password of your account at {site}."
            ))
            .button("Choose a new password", FALLBACK)
            .after(once)
            .after("If it was not you, ignore this e-mail. Your password stays as it is."),
        MailContent::ConfirmNewAddress { .. } => {
            words(format!("Confirm your new e-mail address for {site}"))
                .before(format!(
                    "Confirm that you want to use this e-mail address for your account at {site}."
                ))
                .button("Use this address", FALLBACK)
                .after(once)
                .after("If you did not ask for this, ignore this e-mail.")
        }
        MailContent::AddressChanged { new_address, .. } => words(format!(
            "The e-mail address of your {site} account was changed"
        ))
        .before(format!(
            "Your account at {site} now uses the address {new_address}."
        ))
        .before("If this was you, there is nothing to do. If it was not, undo the change.")
        .button("Undo the change", FALLBACK)
        .after(once),
        MailContent::SignInLink { .. } => words(format!("Sign in to {site}"))
            .before(format!("Use this link to sign in to {site}."))
            .button("Sign in", FALLBACK)
            .after(once)
            .after("If you did not ask for it, ignore this e-mail. Do not forward it."),
        MailContent::SignInCode { .. } => words(format!("Your code for {site}"))
            .before(format!("Type this code to sign in to {site}:"))
            .after(format!("The code works once, and for {lifetime}."))
            .after(
                "If you did not ask for it, ignore this e-mail. Do not tell the code to anyone.",
            ),
        MailContent::Invitation { from, .. } => words(format!("{from} invites you to {site}"))
            .before(format!("{from} invites you to {site}."))
            .button("Accept the invitation", FALLBACK)
            .after(once)
            .after("If you do not know who this is, ignore this e-mail."),
    }
}
