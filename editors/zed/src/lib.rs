//! Starts `aix-lsp` for Zed and hands it the settings below `lsp.aix-lsp`.

use zed_extension_api::{
    self as zed, serde_json, settings::LspSettings, Command, LanguageServerId, Result, Worktree,
};

struct AixLsp;

impl zed::Extension for AixLsp {
    fn new() -> Self {
        AixLsp
    }

    fn language_server_command(
        &mut self,
        _id: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Command> {
        let configured = LspSettings::for_worktree("aix-lsp", worktree)?.binary;
        let path = configured.as_ref().and_then(|binary| binary.path.clone());
        let command = path.or_else(|| worktree.which("aix-lsp")).ok_or(
            "no aix-lsp on PATH: run `pipx install aix-lsp`, or set lsp.aix-lsp.binary.path",
        )?;
        let args = configured
            .and_then(|binary| binary.arguments)
            .unwrap_or_else(|| vec!["--stdio".into()]);
        Ok(Command {
            command,
            args,
            env: worktree.shell_env(),
        })
    }

    fn language_server_workspace_configuration(
        &mut self,
        _id: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Option<serde_json::Value>> {
        Ok(LspSettings::for_worktree("aix-lsp", worktree)?.settings)
    }
}

zed::register_extension!(AixLsp);
