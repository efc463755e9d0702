//! People who visit the site over HTTP.

use lucia::mail::Mail;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;

/// A browser: it keeps cookies, and says with each form where the form was.
#[derive(Clone)]
pub struct Visitor {
    client: reqwest::Client,
    origin: String,
}

/// What a visitor got.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Visitor {
    pub fn new(origin: &str) -> Self {
        let client = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0");
        Self {
            client: client.build().unwrap(),
            origin: origin.to_owned(),
        }
    }

    /// A page of the site, by its path or whole URL.
    pub async fn get(&self, path: &str) -> Page {
        Page::of(self.client.get(self.url(path))).await
    }

    /// The page that redirects lead to in the end.
    pub async fn visit(&self, path: &str) -> Page {
        let mut page = self.get(path).await;
        for _ in 0..8 {
            match page.header("location").map(str::to_owned) {
                Some(place) => page = self.get(&place).await,
                None => return page,
            }
        }
        panic!("{path} leads nowhere");
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.post_from(&self.origin, path, form).await
    }

    /// Posts a form that is on another site.
    pub async fn post_from(&self, origin: &str, path: &str, form: &[(&str, &str)]) -> Page {
        let request = self.client.post(self.url(path));
        Page::of(request.header("origin", origin).form(form)).await
    }

    pub async fn sign_in(&self, address: &str, password: &str) -> Page {
        self.post("/login", &[("email", address), ("password", password)])
            .await
    }

    /// Opens the link in a mail: the page that it leads to, whose address has no secret.
    pub async fn open_link(&self, mail: &Mail) -> Page {
        let page = self.get(&link(mail)).await;
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        let place = page.leads_to();
        assert!(!place.contains("token"), "{place}");
        self.get(place).await
    }

    /// Goes to the demo provider from this page, and chooses a person there.
    pub async fn choose(&self, begin: &str, person: &str) -> Page {
        let question = self.get(begin).await.leads_to().to_owned();
        self.decide(&question, person).await
    }

    /// Chooses a person on the page of the demo provider, and comes back to the site.
    pub async fn decide(&self, question: &str, person: &str) -> Page {
        assert_eq!(self.get(question).await.heading(), "Demo provider");
        let answer = self.post(question, &[("person", person)]).await;
        self.get(answer.leads_to()).await
    }

    /// Whether the site knows who this is.
    pub async fn is_signed_in(&self) -> bool {
        match self.get("/home").await.status {
            200 => true,
            303 => false,
            other => panic!("{other}"),
        }
    }

    fn url(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => format!("{}{path}", self.origin),
            false => path.to_owned(),
        }
    }
}

/// The link in a mail.
pub fn link(mail: &Mail) -> String {
    let words = mail.text().split_whitespace();
    let mut links = words.filter(|word| word.starts_with("http"));
    links
        .next()
        .unwrap_or_else(|| panic!("{}", mail.text()))
        .to_owned()
}

/// The code in a mail.
pub fn code(mail: &Mail) -> String {
    let mut words = mail.text().split_whitespace();
    let is_code = |word: &&str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
    words
        .find(is_code)
        .unwrap_or_else(|| panic!("{}", mail.text()))
        .to_owned()
}

impl Page {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Where a 303 leads.
    pub fn leads_to(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.body);
        self.header("location").unwrap()
    }

    pub fn heading(&self) -> &str {
        let heading = self.text_after("<h1>");
        heading.unwrap_or_else(|| panic!("{} {}", self.status, self.body))
    }

    /// The value of a hidden input.
    pub fn hidden(&self, name: &str) -> &str {
        let found = self.text_between(&format!("type=\"hidden\" name=\"{name}\" value=\""), "\"");
        found.unwrap_or_else(|| panic!("no {name}: {}", self.body))
    }

    /// What the page says beside a field, if that is an error.
    pub fn error_beside(&self, field: &str) -> Option<&str> {
        self.text_after(&format!("<p class=\"error\" id=\"{field}-note\">"))
    }

    /// What the page says of the form as a whole.
    pub fn alert(&self) -> Option<&str> {
        self.text_after("role=\"alert\">")
    }

    /// What the page says of what was done.
    pub fn notice(&self) -> Option<&str> {
        self.text_after("role=\"status\">")
    }

    pub fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }

    /// The actions of the forms that sign out one device.
    pub fn devices(&self) -> Vec<&str> {
        let forms = self.body.split("action=\"").skip(1);
        let actions = forms.filter_map(|form| form.split('"').next());
        actions.filter(|action| action.ends_with("/end")).collect()
    }

    fn text_after(&self, tag: &str) -> Option<&str> {
        self.text_between(tag, "<")
    }

    fn text_between(&self, before: &str, after: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(before)?;
        rest.split(after).next()
    }
}
