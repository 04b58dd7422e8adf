--- Owns the plugin's options: their defaults, meaning and checks. Knows nothing of LSP.
local M = {}

---@class aix_lsp.Keys
---@field accept string|false
---@field accept_word string|false
---@field accept_line string|false
---@field next string|false
---@field previous string|false
---@field dismiss string|false
---@field request string|false

---@class aix_lsp.Options
---@field cmd string[]|nil The server's command; nil looks on PATH, then for the one of `:AixLsp install`.
---@field env table<string, string> Additional environment variables for the server.
---@field package string What `:AixLsp install` installs with pip.
---@field filetypes string[]|nil Only these; nil means every ordinary file.
---@field exclude_filetypes string[] Never these.
---@field ghost "auto"|"own"|"native"|false "native" is Neovim 0.12's own; "auto" uses it if it exists.
---@field hide_during_popup boolean Hide ghost text while a completion menu is open.
---@field popup boolean Offer suggestions in Neovim's completion popup (0.11 and newer).
---@field popup_autotrigger boolean Open the popup automatically at the server's trigger characters.
---@field keys aix_lsp.Keys|false
---@field highlight string Highlight group of ghost text.
---@field settings table The server's settings, such as { maxTokens = 128 }.

---@type aix_lsp.Options
M.defaults = {
  cmd = nil,
  env = {},
  package = 'aix-lsp',
  filetypes = nil,
  exclude_filetypes = { 'help', 'qf', 'TelescopePrompt', 'snacks_picker_input', 'neo-tree', 'NvimTree', 'oil' },
  ghost = 'auto',
  hide_during_popup = true,
  popup = true,
  popup_autotrigger = false,
  keys = {
    accept = '<Tab>',
    accept_word = '<M-w>',
    accept_line = '<M-e>',
    next = '<M-]>',
    previous = '<M-[>',
    dismiss = '<C-]>',
    request = '<M-Bslash>',
  },
  highlight = 'AixLspGhost',
  settings = {},
}

---@type aix_lsp.Options
M.options = vim.deepcopy(M.defaults)

local TYPES = {
  cmd = { 'table', 'nil' },
  env = { 'table' },
  package = { 'string' },
  filetypes = { 'table', 'nil' },
  exclude_filetypes = { 'table' },
  ghost = { 'string', 'boolean' },
  hide_during_popup = { 'boolean' },
  popup = { 'boolean' },
  popup_autotrigger = { 'boolean' },
  keys = { 'table', 'boolean' },
  highlight = { 'string' },
  settings = { 'table' },
}

--- What is wrong with these options, one sentence each; empty if nothing is.
---@return string[]
function M.complaints(options)
  local found = {}
  for name, value in pairs(options) do
    local types = TYPES[name]
    if not types then
      table.insert(found, ("unknown option '%s'; `:help aix-lsp-options` lists them"):format(name))
    elseif not vim.tbl_contains(types, type(value)) then
      table.insert(found, ("option '%s' must be a %s, not a %s"):format(name, types[1], type(value)))
    end
  end
  if type(options.ghost) == 'string' and not vim.tbl_contains({ 'auto', 'own', 'native' }, options.ghost) then
    table.insert(found, "option 'ghost' must be 'auto', 'own', 'native' or false")
  end
  for name in pairs(type(options.keys) == 'table' and options.keys or {}) do
    if M.defaults.keys[name] == nil then
      table.insert(found, ("unknown key 'keys.%s'; `:help aix-lsp-keys` lists them"):format(name))
    end
  end
  table.sort(found)
  return found
end

--- Set the user's options; a wrong one is reported and keeps its default.
function M.set(options)
  options = options or {}
  M.problems = M.complaints(options)
  if #M.problems > 0 then
    local text = #M.problems == 1 and M.problems[1] or #M.problems .. ' options are wrong; see :checkhealth aix_lsp'
    require('aix_lsp.say').line(text, vim.log.levels.WARN)
  end
  local good = {}
  for name, value in pairs(options) do
    if TYPES[name] and vim.tbl_contains(TYPES[name], type(value)) then
      good[name] = value
    end
  end
  M.options = vim.tbl_deep_extend('force', vim.deepcopy(M.defaults), good)
end

--- Who draws ghost text: Neovim itself, this plugin, or nobody.
---@return "native"|"own"|false
function M.ghost_mode()
  local wanted = M.options.ghost
  if wanted ~= 'auto' then
    return wanted == true and 'own' or wanted
  end
  return vim.lsp.inline_completion and 'native' or 'own'
end

return M
