//! What each page has to look like, on a phone and on a desk, by day and by night.

use std::path::PathBuf;

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::browser::Browser;

const LOOKS: [(&str, u32, u32, &str); 4] = [
    ("phone-light", 390, 844, "light"),
    ("phone-dark", 390, 844, "dark"),
    ("desk-light", 1280, 900, "light"),
    ("desk-dark", 1280, 900, "dark"),
];

/// All that is wrong with a page, as sentences.
const FAULTS: &str = include_str!("faults.js");

/// Looks at pages, and keeps pictures of them in the directory of `SHOWCASE_PICTURES`, if it is set.
pub struct Looks<'a> {
    browser: &'a Browser,
    pictures: Option<PathBuf>,
}

impl<'a> Looks<'a> {
    pub fn new(browser: &'a Browser) -> Self {
        let pictures = std::env::var_os("SHOWCASE_PICTURES").map(PathBuf::from);
        Self { browser, pictures }
    }

    /// Waits for the page with this heading, and looks at it.
    pub async fn at(&self, name: &str, heading: &str) {
        self.browser.sees(heading).await;
        for (look, width, height, scheme) in LOOKS {
            let metrics = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
            });
            self.browser
                .devtools("Emulation.setDeviceMetricsOverride", metrics)
                .await;
            let media =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            self.browser
                .devtools("Emulation.setEmulatedMedia", media)
                .await;
            let faults = self.faults().await;
            if let Some(pictures) = &self.pictures {
                self.picture(&pictures.join(format!("{name}-{look}.png")))
                    .await;
            }
            assert!(faults.is_empty(), "{name}, {look}: {faults:#?}");
        }
    }

    /// What is wrong with the page.
    pub async fn faults(&self) -> Vec<String> {
        let faults = self.browser.run(FAULTS, vec![]).await;
        serde_json::from_value(faults).unwrap()
    }

    async fn picture(&self, file: &std::path::Path) {
        let height = "arguments[0](document.documentElement.scrollHeight)";
        let height = self.browser.run(height, vec![]).await;
        let width = self.browser.run("arguments[0](innerWidth)", vec![]).await;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.browser
            .devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let png = self.browser.client().screenshot().await.unwrap();
        std::fs::write(file, png).unwrap();
    }
}

impl Browser {
    /// A command of the Chrome DevTools Protocol.
    pub async fn devtools(&self, command: &'static str, parameters: Value) -> Value {
        let issued = self.client().issue_cmd(DevTools(command, parameters)).await;
        issued.unwrap_or_else(|error: CmdError| panic!("{command}: {error}"))
    }
}

#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.0, "params": self.1 });
        (http::Method::POST, Some(body.to_string()))
    }
}
