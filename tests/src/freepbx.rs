//! FreePBX, as far as TFPS meets it: as read in the sources of its modules core and framework.

use crate::asterisk::deployed;

/// How FreePBX calls what it names a macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freepbx {
    /// As 15 and 16 do; Asterisk 21 and newer have no `Macro`.
    ByMacro,
    /// As 17 does.
    ByGosub,
}

impl Freepbx {
    /// As much of its dialplan as leads to the hook and goes on behind it, for a route with two trunks. FreePBX reads a user's own
    /// extensions_custom.conf before its own, which has an empty hook.
    ///
    /// # Panics
    /// When deploy/freepbx/ is not there.
    pub fn dialplan(self) -> String {
        let call = |name: &str, arguments: &str| match self {
            Self::ByMacro => format!("Macro({name},{arguments})"),
            Self::ByGosub => format!("Gosub(macro-{name},s,1({arguments}))"),
        };
        let (back, exit) = match self {
            Self::ByMacro => ("", "MacroExit"),
            Self::ByGosub => (" same => n,Return()\n", "Return"),
        };
        format!(
            r#"{custom}
[phones]
exten => _[+0-9].,1,Set(__FORWARD_CONTEXT=phones)
 same => n,Set(AMPUSER=${{IF($["${{CALLERID(num)}}" = "alice"]?alice)}})
 same => n,{first_trunk}
 same => n,{second_trunk}
 same => n,Hangup(34)

[macro-dialout-trunk]
exten => s,1,Set(DIAL_TRUNK=${{ARG1}})
 same => n,Set(DIAL_NUMBER=${{ARG2}})
 same => n,Set(OUTNUM=9${{DIAL_NUMBER}})
 same => n,{hook}
 same => n,GotoIf($["${{PREDIAL_HOOK_RET}}" = "BYPASS"]?bypass,1)
 same => n,GotoIf($["${{DIAL_TRUNK}}" = "1"]?busy)
 same => n,Dial(PJSIP/${{OUTNUM}}@carrier)
 same => n(busy),NoOp(the first trunk takes no call)
{back}exten => bypass,1,NoOp()
{back}
[macro-dialout-trunk-predial-hook]
exten => s,1,{exit}()
"#,
            custom = deployed("freepbx/extensions_custom.conf"),
            first_trunk = call("dialout-trunk", "1,${EXTEN}"),
            second_trunk = call("dialout-trunk", "2,${EXTEN}"),
            hook = call("dialout-trunk-predial-hook", ""),
        )
    }
}
