//! Chromium without a window, driven as a person would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, io};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// How long a page may take to show what it should, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A chromedriver on a free port. It ends with its browsers when the test does, however that is.
pub struct Driver {
    process: Child,
    port: u16,
    chromium: PathBuf,
    // Closing it would end chromedriver's next log line, and with it chromedriver.
    _stdout: BufReader<ChildStdout>,
}

/// How often chromedriver is started. It ends at once if another one takes the port that it has chosen.
const TRIES: usize = 5;

/// The port that chromedriver says it listens on.
fn port(stdout: &mut impl BufRead) -> Option<u16> {
    let mut line = String::new();
    while stdout.read_line(&mut line).unwrap() > 0 {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return Some(port.trim().trim_end_matches('.').parse().unwrap());
        }
        line.clear();
    }
    None
}

impl Driver {
    /// `None`, and a line that says so, where there is no Chromium. Continuous integration has
    /// one, so there it is a failure.
    pub fn start() -> Option<Self> {
        let Some((chromium, chromedriver)) = find(&CHROMIUM).zip(find(&["chromedriver"])) else {
            let missing = "chromium and chromedriver (Debian: chromium, chromium-driver)";
            assert!(env::var_os("CI").is_none(), "there is no {missing}");
            // Past the capture of test output, so that it is seen.
            let _ = writeln!(io::stderr(), "skipped: the browser test needs {missing}");
            return None;
        };
        for _ in 0..TRIES {
            let mut process = Command::new(&chromedriver)
                .arg("--port=0")
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdout = BufReader::new(process.stdout.take().unwrap());
            if let Some(port) = port(&mut stdout) {
                return Some(Self {
                    process,
                    port,
                    chromium,
                    _stdout: stdout,
                });
            }
            process.wait().unwrap();
        }
        panic!("no chromedriver");
    }

    /// A browser with a profile of its own, at a site.
    pub async fn browser(&self, origin: &str) -> Browser {
        self.browser_with(origin, &[]).await
    }

    /// A browser with more arguments.
    pub async fn browser_with(&self, origin: &str, more: &[&str]) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let profile_argument = format!("--user-data-dir={}", profile.path().display());
        let mut arguments = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile_argument,
        ];
        arguments.extend(more);
        let options = json!({ "binary": self.chromium, "args": arguments });
        let capabilities = [("goog:chromeOptions".to_owned(), options)];
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.into_iter().collect())
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .unwrap();
        Browser {
            client,
            origin: origin.to_owned(),
            _profile: profile,
        }
    }

    /// Asks chromedriver to end its browsers and itself, which killing it does not do.
    fn shut_down(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.shut_down();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first of these programs that is installed.
fn find(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let directories: Vec<PathBuf> = env::split_paths(&path).collect();
    let places = names.iter().flat_map(|name| {
        let places = directories.iter().map(move |place| place.join(name));
        places.collect::<Vec<_>>()
    });
    places.into_iter().find(|program| program.is_file())
}

/// A browser window.
pub struct Browser {
    client: Client,
    origin: String,
    _profile: TempDir,
}

impl Browser {
    /// For what is not here.
    #[allow(dead_code)] // Other tests use it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub async fn open(&self, path: &str) {
        let address = format!("{}{path}", self.origin);
        self.client.goto(&address).await.unwrap();
    }

    /// The same browser, at another site.
    pub fn at(self, origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            ..self
        }
    }

    /// Types into the field with this label, in place of what is there.
    pub async fn fill_in(&self, label: &str, text: &str) {
        let field = format!("//input[@id = //label[normalize-space() = '{label}']/@for]");
        let field = self.find(&field).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks on the button or link that says this, or is called so for who does not see it.
    pub async fn click(&self, name: &str) {
        let target = format!(
            "//main//*[self::a or self::button][normalize-space() = '{name}' or @aria-label = '{name}']"
        );
        self.find(&target).await.click().await.unwrap();
    }

    /// Waits for the page with this heading.
    pub async fn sees(&self, heading: &str) {
        self.find(&format!("//h1[normalize-space() = '{heading}']"))
            .await;
    }

    /// Waits for this text on the page.
    pub async fn reads(&self, text: &str) {
        self.find(&format!("//main//*[normalize-space(text()) = '{text}']"))
            .await;
    }

    /// How many elements there are.
    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    /// What the stylesheet makes of an element.
    pub async fn style(&self, css: &str, property: &str) -> String {
        let element = self.client.find(Locator::Css(css)).await.unwrap();
        element.css_value(property).await.unwrap()
    }

    /// Whether a cookie has a time at which it ends; another one ends with the browser.
    pub async fn cookie_ends(&self, name: &str) -> bool {
        let cookie = self.client.get_named_cookie(name).await.unwrap();
        cookie.expires_datetime().is_some()
    }

    pub async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// Runs a script, and waits until it calls the last of its `arguments` with what it returns.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let ran = self.client.execute_async(script, arguments).await;
        ran.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    async fn find(&self, xpath: &str) -> Element {
        let wait = self.client.wait().at_most(PATIENCE);
        match wait.for_element(Locator::XPath(xpath)).await {
            Ok(element) => element,
            Err(error) => panic!("{xpath}: {error}\n{}", self.client.source().await.unwrap()),
        }
    }
}
