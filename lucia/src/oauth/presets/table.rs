//! The rows.

use super::{EmailIn, Endpoints, Preset, SecretIn, Server, UserInfoMethod};

/// What `OAuthProvider::oidc` begins with.
///
/// Compared on 2026-11-30 with <https://openid.net/specs/openid-connect-core-1_0.html>.
pub(in crate::oauth) const OIDC: Preset = Preset {
    id: "oidc",
    name: "OpenID Connect",
    server: Server::YourIssuer("https://id.example.com"),
    scopes: OPENID,
    parameters: &[],
};

const OPENID: &[&str] = &["openid", "profile", "email"];

/// Apple. People come back with a POST from `appleid.apple.com`, without cookies. The handler of that POST
/// redirects to the callback page, with the form as its query.
///
/// Compared on 2026-11-30 with <https://developer.apple.com/documentation/signinwithapplerestapi/request-an-authorization-to-the-sign-in-with-apple-server>.
pub const APPLE: Preset = Preset {
    id: "apple",
    name: "Apple",
    server: Server::Issuer("https://appleid.apple.com"),
    scopes: &["openid", "name", "email"],
    parameters: &[("response_mode", "form_post")],
};

/// Atlassian: Jira, Confluence.
///
/// Compared on 2026-11-30 with <https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/>.
pub const ATLASSIAN: Preset = Preset {
    id: "atlassian",
    name: "Atlassian",
    server: Server::Plain(Endpoints {
        authorization: "https://auth.atlassian.com/authorize",
        token: "https://auth.atlassian.com/oauth/token",
        secret_in: SecretIn::Body,
        user_info: "https://api.atlassian.com/me",
        user_info_method: UserInfoMethod::Get,
        subject: "/account_id",
        email: EmailIn::Unverified("/email"),
        name: "/name",
    }),
    scopes: &["read:me"],
    parameters: &[("audience", "api.atlassian.com"), ("prompt", "consent")],
};

/// Auth0.
///
/// Compared on 2026-11-30 with <https://auth0.com/docs/get-started/applications/configure-applications-with-oidc-discovery>.
pub const AUTH0: Preset = Preset {
    id: "auth0",
    name: "Auth0",
    server: Server::YourIssuer("https://YOUR_DOMAIN/"),
    scopes: OPENID,
    parameters: &[],
};

/// Bitbucket.
///
/// Compared on 2026-11-30 with <https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/>.
pub const BITBUCKET: Preset = Preset {
    id: "bitbucket",
    name: "Bitbucket",
    server: Server::Plain(Endpoints {
        authorization: "https://bitbucket.org/site/oauth2/authorize",
        token: "https://bitbucket.org/site/oauth2/access_token",
        secret_in: SecretIn::Header,
        user_info: "https://api.bitbucket.org/2.0/user",
        user_info_method: UserInfoMethod::Get,
        subject: "/uuid",
        email: EmailIn::List {
            url: "https://api.bitbucket.org/2.0/user/emails",
            list: "/values",
            email: "email",
            primary: "is_primary",
            verified: "is_confirmed",
        },
        name: "/display_name",
    }),
    scopes: &["account", "email"],
    parameters: &[],
};

/// Box.
///
/// Compared on 2026-11-30 with <https://developer.box.com/guides/authentication/oauth2/without-sdk/>.
pub const BOX: Preset = Preset {
    id: "box",
    name: "Box",
    server: Server::Plain(Endpoints {
        authorization: "https://account.box.com/api/oauth2/authorize",
        token: "https://api.box.com/oauth2/token",
        secret_in: SecretIn::Body,
        user_info: "https://api.box.com/2.0/users/me",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Unverified("/login"),
        name: "/name",
    }),
    scopes: &[],
    parameters: &[],
};

/// Amazon Cognito.
///
/// Compared on 2026-11-30 with <https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html>.
pub const COGNITO: Preset = Preset {
    id: "cognito",
    name: "Amazon Cognito",
    server: Server::YourIssuer("https://cognito-idp.REGION.amazonaws.com/USER_POOL_ID"),
    scopes: OPENID,
    parameters: &[],
};

/// Discord.
///
/// Compared on 2026-11-30 with <https://discord.com/developers/docs/topics/oauth2>.
pub const DISCORD: Preset = Preset {
    id: "discord",
    name: "Discord",
    server: Server::Plain(Endpoints {
        authorization: "https://discord.com/oauth2/authorize",
        token: "https://discord.com/api/oauth2/token",
        secret_in: SecretIn::Body,
        user_info: "https://discord.com/api/users/@me",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Flagged {
            email: "/email",
            verified: "/verified",
        },
        name: "/username",
    }),
    scopes: &["identify", "email"],
    parameters: &[],
};

/// Dropbox.
///
/// Compared on 2026-11-30 with <https://www.dropbox.com/developers/documentation/http/documentation>.
pub const DROPBOX: Preset = Preset {
    id: "dropbox",
    name: "Dropbox",
    server: Server::Plain(Endpoints {
        authorization: "https://www.dropbox.com/oauth2/authorize",
        token: "https://api.dropboxapi.com/oauth2/token",
        secret_in: SecretIn::Body,
        user_info: "https://api.dropboxapi.com/2/users/get_current_account",
        user_info_method: UserInfoMethod::Post,
        subject: "/account_id",
        email: EmailIn::Flagged {
            email: "/email",
            verified: "/email_verified",
        },
        name: "/name/display_name",
    }),
    scopes: &["account_info.read"],
    parameters: &[],
};

/// Microsoft Entra ID, formerly Azure AD, for the people of one organisation. Its addresses are not
/// verified: an administrator of any organisation can set them.
///
/// Compared on 2026-11-30 with <https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc>.
pub const ENTRA_ID: Preset = Preset {
    id: "azure_ad",
    name: "Microsoft",
    server: Server::YourIssuer("https://login.microsoftonline.com/TENANT_ID/v2.0"),
    scopes: OPENID,
    parameters: &[],
};

/// Facebook.
///
/// Compared on 2026-11-30 with <https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow>.
pub const FACEBOOK: Preset = Preset {
    id: "facebook",
    name: "Facebook",
    server: Server::Plain(Endpoints {
        authorization: "https://www.facebook.com/dialog/oauth",
        token: "https://graph.facebook.com/oauth/access_token",
        secret_in: SecretIn::Body,
        user_info: "https://graph.facebook.com/me?fields=id,name,email,picture",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Unverified("/email"),
        name: "/name",
    }),
    scopes: &["public_profile", "email"],
    parameters: &[],
};

/// GitHub.
///
/// Compared on 2026-11-30 with <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>.
pub const GITHUB: Preset = Preset {
    id: "github",
    name: "GitHub",
    server: Server::Plain(Endpoints {
        authorization: "https://github.com/login/oauth/authorize",
        token: "https://github.com/login/oauth/access_token",
        secret_in: SecretIn::Body,
        user_info: "https://api.github.com/user",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::List {
            url: "https://api.github.com/user/emails",
            list: "",
            email: "email",
            primary: "primary",
            verified: "verified",
        },
        name: "/login",
    }),
    scopes: &["read:user", "user:email"],
    parameters: &[],
};

/// GitLab, at gitlab.com or at your own [issuer](crate::oauth::OAuthProviderBuilder::issuer).
///
/// Compared on 2026-11-30 with <https://docs.gitlab.com/integration/openid_connect_provider/>.
pub const GITLAB: Preset = Preset {
    id: "gitlab",
    name: "GitLab",
    server: Server::Issuer("https://gitlab.com"),
    scopes: OPENID,
    parameters: &[],
};

/// Google.
///
/// Compared on 2026-11-30 with <https://developers.google.com/identity/openid-connect/openid-connect>.
pub const GOOGLE: Preset = Preset {
    id: "google",
    name: "Google",
    server: Server::Issuer("https://accounts.google.com"),
    scopes: OPENID,
    parameters: &[],
};

/// Kakao.
///
/// Compared on 2026-11-30 with <https://developers.kakao.com/docs/latest/en/kakaologin/rest-api>.
pub const KAKAO: Preset = Preset {
    id: "kakao",
    name: "Kakao",
    server: Server::Plain(Endpoints {
        authorization: "https://kauth.kakao.com/oauth/authorize",
        token: "https://kauth.kakao.com/oauth/token",
        secret_in: SecretIn::Body,
        user_info: "https://kapi.kakao.com/v2/user/me",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Flagged {
            email: "/kakao_account/email",
            verified: "/kakao_account/is_email_verified",
        },
        name: "/kakao_account/profile/nickname",
    }),
    scopes: &[],
    parameters: &[],
};

/// Keycloak.
///
/// Compared on 2026-11-30 with <https://www.keycloak.org/securing-apps/oidc-layers>.
pub const KEYCLOAK: Preset = Preset {
    id: "keycloak",
    name: "Keycloak",
    server: Server::YourIssuer("https://YOUR_HOST/realms/YOUR_REALM"),
    scopes: OPENID,
    parameters: &[],
};

/// Lichess. It registers no clients: use any client id, [without a
/// secret](crate::oauth::OAuthProviderBuilder::public_client).
///
/// Compared on 2026-11-30 with <https://lichess.org/api#tag/OAuth>.
pub const LICHESS: Preset = Preset {
    id: "lichess",
    name: "Lichess",
    server: Server::Plain(Endpoints {
        authorization: "https://lichess.org/oauth",
        token: "https://lichess.org/api/token",
        secret_in: SecretIn::Body,
        user_info: "https://lichess.org/api/account",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Nowhere,
        name: "/username",
    }),
    scopes: &[],
    parameters: &[],
};

/// LINE. Its ID tokens are signed with the client secret, so lucia uses its user-info endpoint.
///
/// Compared on 2026-11-30 with <https://developers.line.biz/en/reference/line-login/>.
pub const LINE: Preset = Preset {
    id: "line",
    name: "LINE",
    server: Server::Plain(Endpoints {
        authorization: "https://access.line.me/oauth2/v2.1/authorize",
        token: "https://api.line.me/oauth2/v2.1/token",
        secret_in: SecretIn::Body,
        user_info: "https://api.line.me/oauth2/v2.1/userinfo",
        user_info_method: UserInfoMethod::Get,
        subject: "/sub",
        email: EmailIn::Nowhere,
        name: "/name",
    }),
    scopes: &["openid", "profile"],
    parameters: &[],
};

/// LinkedIn. Its ID tokens have no nonce, so lucia uses its user-info endpoint.
///
/// Compared on 2026-11-30 with <https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2>.
pub const LINKEDIN: Preset = Preset {
    id: "linkedin",
    name: "LinkedIn",
    server: Server::Plain(Endpoints {
        authorization: "https://www.linkedin.com/oauth/v2/authorization",
        token: "https://www.linkedin.com/oauth/v2/accessToken",
        secret_in: SecretIn::Body,
        user_info: "https://api.linkedin.com/v2/userinfo",
        user_info_method: UserInfoMethod::Get,
        subject: "/sub",
        email: EmailIn::Flagged {
            email: "/email",
            verified: "/email_verified",
        },
        name: "/name",
    }),
    scopes: OPENID,
    parameters: &[],
};

/// Microsoft, for personal accounts and the accounts of all organisations. Their issuers differ, so lucia
/// uses the user-info endpoint of Microsoft Graph. Its addresses are not verified: an administrator of any
/// organisation can set them.
///
/// Compared on 2026-11-30 with <https://learn.microsoft.com/en-us/entra/identity-platform/userinfo>.
pub const MICROSOFT: Preset = Preset {
    id: "microsoft",
    name: "Microsoft",
    server: Server::Plain(Endpoints {
        authorization: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        token: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        secret_in: SecretIn::Body,
        user_info: "https://graph.microsoft.com/oidc/userinfo",
        user_info_method: UserInfoMethod::Get,
        subject: "/sub",
        email: EmailIn::Unverified("/email"),
        name: "/name",
    }),
    scopes: OPENID,
    parameters: &[],
};

/// osu!.
///
/// Compared on 2026-11-30 with <https://osu.ppy.sh/docs/>.
pub const OSU: Preset = Preset {
    id: "osu",
    name: "osu!",
    server: Server::Plain(Endpoints {
        authorization: "https://osu.ppy.sh/oauth/authorize",
        token: "https://osu.ppy.sh/oauth/token",
        secret_in: SecretIn::Body,
        user_info: "https://osu.ppy.sh/api/v2/me",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Nowhere,
        name: "/username",
    }),
    scopes: &["identify"],
    parameters: &[],
};

/// Patreon.
///
/// Compared on 2026-11-30 with <https://docs.patreon.com/#oauth>.
pub const PATREON: Preset = Preset {
    id: "patreon",
    name: "Patreon",
    server: Server::Plain(Endpoints {
        authorization: "https://www.patreon.com/oauth2/authorize",
        token: "https://www.patreon.com/api/oauth2/token",
        secret_in: SecretIn::Body,
        user_info: "https://www.patreon.com/api/oauth2/v2/identity?fields%5Buser%5D=email,full_name,is_email_verified",
        user_info_method: UserInfoMethod::Get,
        subject: "/data/id",
        email: EmailIn::Flagged {
            email: "/data/attributes/email",
            verified: "/data/attributes/is_email_verified",
        },
        name: "/data/attributes/full_name",
    }),
    scopes: &["identity", "identity[email]"],
    parameters: &[],
};

/// Reddit.
///
/// Compared on 2026-11-30 with <https://github.com/reddit-archive/reddit/wiki/OAuth2>.
pub const REDDIT: Preset = Preset {
    id: "reddit",
    name: "Reddit",
    server: Server::Plain(Endpoints {
        authorization: "https://www.reddit.com/api/v1/authorize",
        token: "https://www.reddit.com/api/v1/access_token",
        secret_in: SecretIn::Header,
        user_info: "https://oauth.reddit.com/api/v1/me",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Nowhere,
        name: "/name",
    }),
    scopes: &["identity"],
    parameters: &[],
};

/// Salesforce, at login.salesforce.com or at your own [issuer](crate::oauth::OAuthProviderBuilder::issuer).
///
/// Compared on 2026-11-30 with <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_openid_discovery_endpoint.htm>.
pub const SALESFORCE: Preset = Preset {
    id: "salesforce",
    name: "Salesforce",
    server: Server::Issuer("https://login.salesforce.com"),
    scopes: OPENID,
    parameters: &[],
};

/// Slack.
///
/// Compared on 2026-11-30 with <https://docs.slack.dev/authentication/sign-in-with-slack/>.
pub const SLACK: Preset = Preset {
    id: "slack",
    name: "Slack",
    server: Server::Issuer("https://slack.com"),
    scopes: OPENID,
    parameters: &[],
};

/// Spotify. Its documentation warns that it does not verify addresses.
///
/// Compared on 2026-11-30 with <https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile>.
pub const SPOTIFY: Preset = Preset {
    id: "spotify",
    name: "Spotify",
    server: Server::Plain(Endpoints {
        authorization: "https://accounts.spotify.com/authorize",
        token: "https://accounts.spotify.com/api/token",
        secret_in: SecretIn::Header,
        user_info: "https://api.spotify.com/v1/me",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Unverified("/email"),
        name: "/display_name",
    }),
    scopes: &["user-read-email", "user-read-private"],
    parameters: &[],
};

/// Strava.
///
/// Compared on 2026-11-30 with <https://developers.strava.com/docs/authentication/>.
pub const STRAVA: Preset = Preset {
    id: "strava",
    name: "Strava",
    server: Server::Plain(Endpoints {
        authorization: "https://www.strava.com/oauth/authorize",
        token: "https://www.strava.com/api/v3/oauth/token",
        secret_in: SecretIn::Body,
        user_info: "https://www.strava.com/api/v3/athlete",
        user_info_method: UserInfoMethod::Get,
        subject: "/id",
        email: EmailIn::Nowhere,
        name: "/firstname",
    }),
    scopes: &["read"],
    parameters: &[],
};

/// Twitch.
///
/// Compared on 2026-11-30 with <https://dev.twitch.tv/docs/authentication/getting-tokens-oidc/>.
pub const TWITCH: Preset = Preset {
    id: "twitch",
    name: "Twitch",
    server: Server::Issuer("https://id.twitch.tv/oauth2"),
    scopes: &["openid", "user:read:email"],
    parameters: &[(
        "claims",
        r#"{"id_token":{"email":null,"email_verified":null,"preferred_username":null}}"#,
    )],
};

/// X, formerly Twitter.
///
/// Compared on 2026-11-30 with <https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code>.
pub const X: Preset = Preset {
    id: "twitter",
    name: "X",
    server: Server::Plain(Endpoints {
        authorization: "https://x.com/i/oauth2/authorize",
        token: "https://api.x.com/2/oauth2/token",
        secret_in: SecretIn::Header,
        user_info: "https://api.x.com/2/users/me",
        user_info_method: UserInfoMethod::Get,
        subject: "/data/id",
        email: EmailIn::Nowhere,
        name: "/data/username",
    }),
    scopes: &["users.read", "tweet.read"],
    parameters: &[],
};

/// All rows of the table.
pub const ALL: [&Preset; 28] = [
    &APPLE,
    &ATLASSIAN,
    &AUTH0,
    &BITBUCKET,
    &BOX,
    &COGNITO,
    &DISCORD,
    &DROPBOX,
    &ENTRA_ID,
    &FACEBOOK,
    &GITHUB,
    &GITLAB,
    &GOOGLE,
    &KAKAO,
    &KEYCLOAK,
    &LICHESS,
    &LINE,
    &LINKEDIN,
    &MICROSOFT,
    &OSU,
    &PATREON,
    &REDDIT,
    &SALESFORCE,
    &SLACK,
    &SPOTIFY,
    &STRAVA,
    &TWITCH,
    &X,
];
