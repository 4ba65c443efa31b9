//! What SIPp plays.

use super::Call;

pub(crate) fn invite(call: &Call) -> String {
    let mut headers = call.headers.join("\n");
    if !call.user_agent.is_empty() {
        headers.push_str(&format!("\nUser-Agent: {}", call.user_agent));
    }
    let headers = headers.trim();
    format!(
        r#"<send retrans="500"><![CDATA[
INVITE sip:{dialed}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{from}@example.com>;tag=[pid]SIPp[call_number]
To: <sip:{dialed}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:{from}@[local_ip]:[local_port]>
Max-Forwards: 70
{headers}
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 6000 RTP/AVP 8
]]></send>
<recv response="100" optional="true"/>
"#,
        dialed = call.dialed,
        from = call.from,
    )
}

pub(super) fn refused_call(call: &Call, status: u16) -> String {
    format!(
        r#"<?xml version="1.0"?><scenario name="a call that is answered by a final status">
{invite}<recv response="{status}"><action>
<ereg regexp=".*" search_in="hdr" header="Contact:" assign_to="contact"/>
<ereg regexp=".*" search_in="hdr" header="X-TFPS-Code:" assign_to="code"/>
<log message="contact=[$contact]"/><log message="code=[$code]"/>
</action></recv>
<send><![CDATA[
ACK sip:{dialed}@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>"#,
        invite = invite(call),
        dialed = call.dialed,
    )
}

pub(super) fn relayed_call(call: &Call, for_ms: u64) -> String {
    let in_dialog = |method: &str, cseq: u8| {
        format!(
            r"
{method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:{from}@example.com>;tag=[pid]SIPp[call_number]
To: <sip:{dialed}@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: {cseq} {method}
Max-Forwards: 70
Content-Length: 0

",
            from = call.from,
            dialed = call.dialed,
        )
    };
    format!(
        r#"<?xml version="1.0"?><scenario name="a call that is relayed">
{invite}<recv response="180" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[{ack}]]></send>
<pause milliseconds="{for_ms}"/>
<send retrans="500"><![CDATA[{bye}]]></send>
<recv response="200"/>
</scenario>"#,
        invite = invite(call),
        ack = in_dialog("ACK", 1),
        bye = in_dialog("BYE", 2),
    )
}

pub(super) fn given_up_call(call: &Call) -> String {
    // A CANCEL has the branch of what it cancels (RFC 3261, 9.1), and so has the ACK of a refusal.
    let branch = "branch=z9hG4bK[pid]x[call_number]";
    let same_transaction = |method: &str, to: &str| {
        format!(
            r"
{method} sip:{dialed}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];{branch}
From: <sip:{from}@example.com>;tag=[pid]SIPp[call_number]
{to}
Call-ID: [call_id]
CSeq: 1 {method}
Max-Forwards: 70
Content-Length: 0

",
            from = call.from,
            dialed = call.dialed,
        )
    };
    let to = format!("To: <sip:{}@[remote_ip]:[remote_port]>", call.dialed);
    format!(
        r#"<?xml version="1.0"?><scenario name="a call that is given up">
{invite}<recv response="180"/>
<send retrans="500"><![CDATA[{cancel}]]></send>
<recv response="200"/>
<recv response="487"/>
<send><![CDATA[{ack}]]></send>
</scenario>"#,
        invite = invite(call).replace("branch=[branch]", branch),
        cancel = same_transaction("CANCEL", &to),
        ack = same_transaction("ACK", "[last_To:]"),
    )
}

/// A media server that takes one call: it rings.
fn rings() -> String {
    let tag = "[last_To:];tag=[pid]SIPpTag[call_number]";
    format!(
        r#"<?xml version="1.0"?><scenario name="a media server">
<recv request="INVITE" rrs="true"><action>
<ereg regexp="INVITE sip:([^@]*)@" search_in="msg" assign_to="whole,user"/>
<ereg regexp="(Via: .*[0-9a-z])[^0-9a-z]+From:" search_in="msg" assign_to="whole,vias"/>
<ereg regexp=".*" search_in="hdr" header="X-TFPS-Challenge:" assign_to="challenge"/>
<log message="user=[$user]"/><log message="challenge=[$challenge]"/><log message="[$whole][$vias]"/>
</action></recv>
<send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_Record-Route:]
[last_From:]
{tag}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
"#
    )
}

/// A media server that answers one call.
pub(super) fn media_server() -> String {
    format!("{}{ANSWERS}", rings())
}

/// A media server that lets one call ring until it is given up.
pub(super) fn ringing_media_server() -> String {
    format!("{}{GIVEN_UP}", rings())
}

/// A media server that sends one call on, in the words by which a front approves.
pub(super) const REDIRECTING_MEDIA_SERVER: &str = r#"<?xml version="1.0"?><scenario name="a media server">
<recv request="INVITE"/>
<send retrans="500"><![CDATA[
SIP/2.0 302 Moved Temporarily
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:A0012125551234@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
<recv request="ACK"/>
</scenario>"#;

const ANSWERS: &str = r#"<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 6002 RTP/AVP 8
]]></send>
<recv request="ACK"/>
<recv request="BYE"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>"#;

const GIVEN_UP: &str = r#"<recv request="CANCEL"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<send retrans="500"><![CDATA[
SIP/2.0 487 Request Terminated
[$vias]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
CSeq: 1 INVITE
Content-Length: 0

]]></send>
<recv request="ACK"/>
</scenario>"#;
