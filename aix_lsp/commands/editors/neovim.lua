-- Neovim 0.11 or newer: put this into init.lua (:edit $MYVIMRC).
-- Neovim 0.12 shows ghost text (Tab accepts); 0.11 offers the suggestions in the completion popup (Ctrl+Space asks for it).
vim.lsp.config("aix_lsp", {
  cmd = { "@COMMAND@" },
  root_dir = function(buffer, start)
    if vim.api.nvim_buf_get_name(buffer) ~= "" then
      start(vim.fs.root(buffer, ".git") or vim.fn.getcwd())
    end
  end,
})
vim.lsp.enable("aix_lsp")

vim.api.nvim_create_autocmd("LspAttach", {
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if not client or client.name ~= "aix_lsp" then
      return
    end
    if vim.lsp.inline_completion then
      vim.lsp.inline_completion.enable(true, { bufnr = event.buf })
      vim.keymap.set("i", "<Tab>", function()
        if not vim.lsp.inline_completion.get() then
          return "<Tab>"
        end
      end, { buffer = event.buf, expr = true, desc = "Accept the suggestion" })
    else
      vim.lsp.completion.enable(true, client.id, event.buf, { autotrigger = true })
      vim.keymap.set("i", "<C-Space>", vim.lsp.completion.get, { buffer = event.buf, desc = "Suggest" })
    end
  end,
})
-- To see that it works: open a source file, type in it; then :checkhealth vim.lsp lists aix_lsp.
