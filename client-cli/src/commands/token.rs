//! `token`

use clap::{Args, Subcommand};
use tfps_client::v1::{CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, Role, Token};

use super::{entries::expiry, one};
use crate::{
    console::Format,
    failure::{Doing, Exit, Failure},
    output::{Column, Facts, Listing, visible},
    reflection::{choice, choices},
    session::Session,
    time::{self, Moment},
};

/// `token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Lists tokens, without their secrets
    List,
    /// Makes a token and writes its secret to standard output, this once
    Create(CreateArgs),
    /// Takes a token back
    Revoke(RevokeArgs),
}

/// `token create`
#[derive(Debug, Args)]
#[command(
    after_help = "Example: (umask 077; tfpsctl token create --name pbx1 --role switch > /etc/tfps/switch.token)"
)]
pub struct CreateArgs {
    /// What it is for
    #[arg(long)]
    name: String,
    /// What its bearer may do
    #[arg(long, value_parser = choices::<Role>())]
    role: Role,
    /// The domain it is bound to; a domain-admin's must be
    #[arg(long, default_value = "", hide_default_value = true)]
    #[arg(required_if_eq("role", "domain-admin"))]
    domain: String,
    /// When it goes by itself: a span as in 90d, or a time
    #[arg(long, value_name = "WHEN")]
    expires: Option<Moment>,
}

/// `token revoke`
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its id, as `token list` shows it
    id: String,
}

const COLUMNS: [Column<Token>; 6] = [
    Column::text("ID", |token| token.id.as_str().into()),
    Column::text("NAME", |token| token.name.as_str().into()),
    Column::text("ROLE", |token| choice::<Role>(token.role).into()),
    Column::text("DOMAIN", |token| token.domain.as_str().into()),
    Column::text("CREATED", |token| {
        time::show_day(token.create_time.as_ref()).into()
    }),
    Column::text("EXPIRES", |token| {
        time::show(token.expires_at.as_ref()).into()
    }),
];

/// Runs a command of the group.
///
/// # Errors
///
/// Whatever kept it from being done.
pub async fn run(command: TokenCommand, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        TokenCommand::List => list(session).await,
        TokenCommand::Create(args) => create(args, session).await,
        TokenCommand::Revoke(args) => revoke(args, session).await,
    }
}

async fn list(session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut request = ListTokensRequest::default();
    loop {
        let page = session
            .client
            .list_tokens(request.clone())
            .await
            .doing("cannot list the tokens")?;
        listing.page(&page.tokens, session.console)?;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    listing.finish("no tokens", session.console)?;
    Ok(Exit::Done)
}

/// The secret alone goes to standard output, so that it can be put into a file.
async fn create(args: CreateArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let expires_at = expiry(args.expires, session)?;
    let token = Token {
        name: args.name,
        role: args.role.into(),
        domain: args.domain,
        expires_at,
        ..Default::default()
    };
    let request = CreateTokenRequest { token: Some(token) };
    let answer = session
        .client
        .create_token(request)
        .await
        .doing("cannot make the token")?;
    if session.console.format() != Format::Table {
        return one(&answer, &Facts::default(), session.console);
    }
    let token = answer.token.clone().unwrap_or_default();
    session.console.say(&format!(
        "made token {} ({}); its secret is told this once:",
        token.id, token.name
    ));
    session
        .console
        .write(&format!("{}\n", visible(&answer.secret)))?;
    Ok(Exit::Done)
}

async fn revoke(args: RevokeArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let RevokeArgs { id } = args;
    session
        .console
        .confirm(&format!("revoke token {id}"))
        .await?;
    let request = RevokeTokenRequest { id: id.clone() };
    session
        .client
        .revoke_token(request)
        .await
        .doing(format!("cannot revoke token {id}"))
        .map_err(|failure| {
            if failure.exit == Exit::NotFound {
                failure.hint("`tfpsctl token list` shows the tokens")
            } else {
                failure
            }
        })?;
    session.console.say(&format!("revoked token {id}"));
    Ok(Exit::Done)
}
