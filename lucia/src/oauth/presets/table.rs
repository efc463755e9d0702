//! The rows.

use super::{EmailIn, Endpoints, Preset, SecretIn, Server, UserInfoMethod};

/// What `OAuthProvider::oidc` begins with.
pub(in crate::oauth) const OIDC: Preset = Preset {
    id: "oidc",
    name: "OpenID Connect",
    server: Server::YourIssuer("https://id.example.com"),
    scopes: OPENID,
    parameters: &[],
    source: "https://openid.net/specs/openid-connect-core-1_0.html",
    checked: "2026-11-30",
};

const OPENID: &[&str] = &["openid", "profile", "email"];

/// Apple. People are sent back by a POST from `appleid.apple.com`, without cookies: the handler of it
/// redirects to the callback page with the form as its query.
pub const APPLE: Preset = Preset {
    id: "apple",
    name: "Apple",
    server: Server::Issuer("https://appleid.apple.com"),
    scopes: &["openid", "name", "email"],
    parameters: &[("response_mode", "form_post")],
    source: "https://developer.apple.com/documentation/signinwithapplerestapi/request-an-authorization-to-the-sign-in-with-apple-server",
    checked: "2026-11-30",
};

/// Atlassian: Jira, Confluence.
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
    source: "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/",
    checked: "2026-11-30",
};

/// Auth0.
pub const AUTH0: Preset = Preset {
    id: "auth0",
    name: "Auth0",
    server: Server::YourIssuer("https://YOUR_DOMAIN/"),
    scopes: OPENID,
    parameters: &[],
    source: "https://auth0.com/docs/get-started/applications/configure-applications-with-oidc-discovery",
    checked: "2026-11-30",
};

/// Bitbucket.
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
    source: "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/",
    checked: "2026-11-30",
};

/// Box.
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
    source: "https://developer.box.com/guides/authentication/oauth2/without-sdk/",
    checked: "2026-11-30",
};

/// Amazon Cognito.
pub const COGNITO: Preset = Preset {
    id: "cognito",
    name: "Amazon Cognito",
    server: Server::YourIssuer("https://cognito-idp.REGION.amazonaws.com/USER_POOL_ID"),
    scopes: OPENID,
    parameters: &[],
    source: "https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html",
    checked: "2026-11-30",
};

/// Discord.
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
    source: "https://discord.com/developers/docs/topics/oauth2",
    checked: "2026-11-30",
};

/// Dropbox.
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
    source: "https://www.dropbox.com/developers/documentation/http/documentation",
    checked: "2026-11-30",
};

/// Microsoft Entra ID, formerly Azure AD, for the people of one organisation. Its addresses are not
/// verified: an administrator of any organisation can write them.
pub const ENTRA_ID: Preset = Preset {
    id: "azure_ad",
    name: "Microsoft",
    server: Server::YourIssuer("https://login.microsoftonline.com/TENANT_ID/v2.0"),
    scopes: OPENID,
    parameters: &[],
    source: "https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc",
    checked: "2026-11-30",
};

/// Facebook.
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
    source: "https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow",
    checked: "2026-11-30",
};

/// GitHub.
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
    source: "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
    checked: "2026-11-30",
};

/// GitLab, at gitlab.com or at an [issuer](crate::OAuthProviderBuilder::issuer) of your own.
pub const GITLAB: Preset = Preset {
    id: "gitlab",
    name: "GitLab",
    server: Server::Issuer("https://gitlab.com"),
    scopes: OPENID,
    parameters: &[],
    source: "https://docs.gitlab.com/integration/openid_connect_provider/",
    checked: "2026-11-30",
};

/// Google.
pub const GOOGLE: Preset = Preset {
    id: "google",
    name: "Google",
    server: Server::Issuer("https://accounts.google.com"),
    scopes: OPENID,
    parameters: &[],
    source: "https://developers.google.com/identity/openid-connect/openid-connect",
    checked: "2026-11-30",
};

/// Kakao.
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
    source: "https://developers.kakao.com/docs/latest/en/kakaologin/rest-api",
    checked: "2026-11-30",
};

/// Keycloak.
pub const KEYCLOAK: Preset = Preset {
    id: "keycloak",
    name: "Keycloak",
    server: Server::YourIssuer("https://YOUR_HOST/realms/YOUR_REALM"),
    scopes: OPENID,
    parameters: &[],
    source: "https://www.keycloak.org/securing-apps/oidc-layers",
    checked: "2026-11-30",
};

/// Lichess. It registers no clients: any id goes, [without a
/// secret](crate::OAuthProviderBuilder::public_client).
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
    source: "https://lichess.org/api#tag/OAuth",
    checked: "2026-11-30",
};

/// LINE. Its ID tokens are signed by the client secret, so its user-info endpoint is asked.
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
    source: "https://developers.line.biz/en/reference/line-login/",
    checked: "2026-11-30",
};

/// LinkedIn. Its ID tokens have no nonce, so its user-info endpoint is asked.
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
    source: "https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2",
    checked: "2026-11-30",
};

/// Microsoft, for the accounts of people and of all organisations. Their issuers differ, so the user-info
/// endpoint of Microsoft Graph is asked. Its addresses are not verified: an administrator of any
/// organisation can write them.
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
    source: "https://learn.microsoft.com/en-us/entra/identity-platform/userinfo",
    checked: "2026-11-30",
};

/// osu!.
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
    source: "https://osu.ppy.sh/docs/",
    checked: "2026-11-30",
};

/// Patreon.
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
    source: "https://docs.patreon.com/#oauth",
    checked: "2026-11-30",
};

/// Reddit.
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
    source: "https://github.com/reddit-archive/reddit/wiki/OAuth2",
    checked: "2026-11-30",
};

/// Salesforce, at login.salesforce.com or at an [issuer](crate::OAuthProviderBuilder::issuer) of your own.
pub const SALESFORCE: Preset = Preset {
    id: "salesforce",
    name: "Salesforce",
    server: Server::Issuer("https://login.salesforce.com"),
    scopes: OPENID,
    parameters: &[],
    source: "https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_openid_discovery_endpoint.htm",
    checked: "2026-11-30",
};

/// Slack.
pub const SLACK: Preset = Preset {
    id: "slack",
    name: "Slack",
    server: Server::Issuer("https://slack.com"),
    scopes: OPENID,
    parameters: &[],
    source: "https://docs.slack.dev/authentication/sign-in-with-slack/",
    checked: "2026-11-30",
};

/// Spotify. Its documentation warns that it does not verify addresses.
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
    source: "https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile",
    checked: "2026-11-30",
};

/// Strava.
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
    source: "https://developers.strava.com/docs/authentication/",
    checked: "2026-11-30",
};

/// Twitch.
pub const TWITCH: Preset = Preset {
    id: "twitch",
    name: "Twitch",
    server: Server::Issuer("https://id.twitch.tv/oauth2"),
    scopes: &["openid", "user:read:email"],
    parameters: &[(
        "claims",
        r#"{"id_token":{"email":null,"email_verified":null,"preferred_username":null}}"#,
    )],
    source: "https://dev.twitch.tv/docs/authentication/getting-tokens-oidc/",
    checked: "2026-11-30",
};

/// X, formerly Twitter.
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
    source: "https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code",
    checked: "2026-11-30",
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
