//! A person who uses the keyboard alone.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::json;

use super::browser::Browser;

/// How often a person presses Tab before they give up.
const MOST_TABS: usize = 60;

/// What a screen reader calls the element that has the focus, and whether the focus can be seen.
const FOCUSED: &str = "
    const one = document.activeElement, done = arguments[0];
    const label = one.labels && one.labels[0];
    const name = one.getAttribute('aria-label') || (label || one).innerText || '';
    done([name.trim().replace(/\\s+/g, ' '), one.matches(':focus-visible') &&
        getComputedStyle(one).outlineStyle !== 'none', one === document.body])";

impl Browser {
    /// Presses Tab until this has the focus. On the way, every element shows that it has it.
    pub async fn tab_to(&self, name: &str) {
        let mut seen = Vec::new();
        for _ in 0..MOST_TABS {
            let focused = self.run(FOCUSED, vec![]).await;
            if focused[0] == json!(name) {
                return;
            }
            seen.push(focused[0].clone());
            self.press(Key::Tab.into()).await;
            let focused = self.run(FOCUSED, vec![]).await;
            let is_seen = focused[1] == json!(true) || focused[2] == json!(true);
            assert!(is_seen, "the focus is not seen on {focused}");
        }
        panic!("Tab does not lead to {name:?}: {seen:?}");
    }

    /// Types into what has the focus.
    pub async fn type_in(&self, text: &str) {
        for letter in text.chars() {
            self.press(letter).await;
        }
    }

    /// Goes to what is called so, and presses Enter.
    pub async fn enter(&self, name: &str) {
        self.tab_to(name).await;
        self.press(Key::Enter.into()).await;
    }

    /// Goes to the field with this label, and types into it in place of what is there.
    pub async fn write(&self, label: &str, text: &str) {
        self.tab_to(label).await;
        self.run("document.activeElement.select(); arguments[0]()", vec![])
            .await;
        self.type_in(text).await;
    }

    pub async fn press(&self, key: char) {
        let keys = KeyActions::new("keys".to_owned())
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key });
        self.client().perform_actions(keys).await.unwrap();
    }
}
