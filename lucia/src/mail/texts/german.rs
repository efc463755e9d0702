//! The words in German.

use super::{MailContent, MailOccasion, MailWords, Unit, largest_unit};

const FALLBACK: &str = "Falls der Knopf nicht funktioniert, öffnen Sie diesen Link:";

pub(super) fn words(occasion: &MailOccasion<'_>) -> MailWords {
    let site = occasion.site;
    let lifetime = match largest_unit(occasion.lifetime) {
        (1, Unit::Hours) => "1 Stunde".to_owned(),
        (1, Unit::Minutes) => "1 Minute".to_owned(),
        (number, Unit::Days) => format!("{number} Tage"),
        (number, Unit::Hours) => format!("{number} Stunden"),
        (number, Unit::Minutes) => format!("{number} Minuten"),
    };
    let words = |subject: String| MailWords::new("de", subject);
    let once = format!("Der Link funktioniert einmal und {lifetime} lang.");
    match occasion.content {
        MailContent::VerifyAddress { .. } => words(format!("E-Mail-Adresse für {site} bestätigen"))
            .before(format!("Bitte bestätigen Sie, dass dies Ihre E-Mail-Adresse für {site} ist."))
            .button("Adresse bestätigen", FALLBACK)
            .after(once)
            .after("Falls Sie dort kein Konto haben, ignorieren Sie diese E-Mail."),
        MailContent::ResetPassword { .. } => words(format!("Passwort für {site} zurücksetzen"))
            .before(format!(
                "Jemand möchte das Passwort Ihres Kontos bei {site} zurücksetzen."
            ))
            .button("Neues Passwort wählen", FALLBACK)
            .after(once)
            .after(
                "Falls Sie das nicht waren, ignorieren Sie diese E-Mail. Ihr Passwort bleibt, wie es ist.",
            ),
        MailContent::ConfirmNewAddress { .. } => {
            words(format!("Neue E-Mail-Adresse für {site} bestätigen"))
                .before(format!(
                    "Bitte bestätigen Sie, dass Ihr Konto bei {site} diese E-Mail-Adresse verwenden soll."
                ))
                .button("Diese Adresse verwenden", FALLBACK)
                .after(once)
                .after("Falls Sie das nicht wollten, ignorieren Sie diese E-Mail.")
        }
        MailContent::AddressChanged { new_address, .. } => {
            words(format!("Die E-Mail-Adresse Ihres Kontos bei {site} wurde geändert"))
                .before(format!("Ihr Konto bei {site} verwendet jetzt die Adresse {new_address}."))
                .before(
                    "Falls Sie das waren, müssen Sie nichts tun. Falls nicht, machen Sie die Änderung \
                     rückgängig.",
                )
                .button("Änderung rückgängig machen", FALLBACK)
                .after(once)
        }
        MailContent::SignInLink { .. } => words(format!("Bei {site} anmelden"))
            .before(format!("Mit diesem Link melden Sie sich bei {site} an."))
            .button("Anmelden", FALLBACK)
            .after(once)
            .after(
                "Falls Sie ihn nicht angefordert haben, ignorieren Sie diese E-Mail. Leiten Sie sie nicht \
                 weiter.",
            ),
        MailContent::SignInCode { .. } => words(format!("Ihr Code für {site}"))
            .before(format!("Geben Sie diesen Code ein, um sich bei {site} anzumelden:"))
            .after(format!("Der Code funktioniert einmal und {lifetime} lang."))
            .after(
                "Falls Sie ihn nicht angefordert haben, ignorieren Sie diese E-Mail. Geben Sie den Code \
                 nicht weiter.",
            ),
        MailContent::Invitation { from, .. } => words(format!("{from} lädt Sie zu {site} ein"))
            .before(format!("{from} lädt Sie zu {site} ein."))
            .button("Einladung annehmen", FALLBACK)
            .after(once)
            .after("Falls Sie nicht wissen, wer das ist, ignorieren Sie diese E-Mail."),
    }
}
