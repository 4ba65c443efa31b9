//! Calls in progress: listed, and ordered to end.

use tfps_engine::{
    call::{MAX_DOMAIN, MAX_HEADER, MAX_USERNAME},
    number::E164,
};
use tfps_proto::v1;
use tonic::{Request, Response};

use super::{AdminRpc, Answer};
use crate::{
    calls::Which,
    grpc::{caller, convert, status},
};

pub(super) fn list(
    rpc: &AdminRpc,
    request: &Request<v1::ListCallsRequest>,
) -> Answer<v1::ListCallsResponse> {
    let caller = caller(request)?;
    let request = request.get_ref();
    convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
    convert::bounded("username", &request.username, MAX_USERNAME)?;
    let page = (request.page_size, request.page_token.as_str());
    let (calls, next_page_token) =
        rpc.calls
            .list(&caller, &request.domain, &request.username, page)?;
    Ok(Response::new(v1::ListCallsResponse {
        calls: calls.iter().map(convert::call::open).collect(),
        next_page_token,
        listeners: listeners(rpc),
    }))
}

pub(super) fn end(
    rpc: &AdminRpc,
    request: Request<v1::EndCallsRequest>,
) -> Answer<v1::EndCallsResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let account = match request.account {
        None => None,
        account => Some(convert::account_id("account", account)?),
    };
    convert::bounded("call_id", &request.call_id, MAX_HEADER)?;
    let decision = convert::decision_id("decision_id", &request.decision_id)?;
    if decision.is_some() && !(request.call_id.is_empty() && request.number.is_empty()) {
        let problem = "names one call, which call_id and number do as well: give one of them";
        return Err(status::invalid("decision_id", problem));
    }
    let which = match (account, request.call_id, request.number) {
        (None, _, _) if decision.is_some() => return Err(status::missing("account")),
        (Some(account), call_id, number) if call_id.is_empty() && number.is_empty() => {
            match decision {
                Some(decision) => Which::One(account, decision),
                None => Which::Of(account),
            }
        }
        (Some(account), call_id, number) if number.is_empty() => {
            Which::WithCallId(account, call_id)
        }
        (account, call_id, number) if call_id.is_empty() && !number.is_empty() => {
            let digits = number.strip_prefix('+').unwrap_or(&number);
            let number =
                E164::from_digits(digits).map_err(|error| status::invalid("number", error))?;
            Which::To(number, account)
        }
        (None, _, number) if number.is_empty() => {
            let problem = "must be given, or number: whose calls, or to whom, are to end";
            return Err(status::invalid("account", problem));
        }
        _ => {
            let problem = "names calls, which number does as well: give one of the two";
            return Err(status::invalid("call_id", problem));
        }
    };
    let calls = rpc.calls.end(&caller, &which, &request.reason)?;
    Ok(Response::new(v1::EndCallsResponse {
        calls: calls.iter().map(convert::call::open).collect(),
        listeners: listeners(rpc),
    }))
}

fn listeners(rpc: &AdminRpc) -> u32 {
    u32::try_from(rpc.calls.state.hang_ups.listeners()).unwrap_or(u32::MAX)
}
