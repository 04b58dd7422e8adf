--- Owns `:checkhealth aix_lsp`.
local config = require('aix_lsp.config')
local server = require('aix_lsp.server')
local M = {}
local health = vim.health

local function check_neovim()
  health.start('aix-lsp: Neovim')
  if vim.fn.has('nvim-0.10') == 0 then
    return health.error('Neovim 0.10 or newer is needed')
  end
  local version = vim.version()
  health.ok(('Neovim %d.%d.%d'):format(version.major, version.minor, version.patch))
  local mode = config.ghost_mode()
  if mode == 'native' and not vim.lsp.inline_completion then
    health.error("ghost = 'native' needs Neovim 0.12", "set ghost = 'auto'")
  else
    health.info('ghost text: ' .. (mode or 'none'))
  end
  for _, problem in ipairs(config.problems or {}) do
    health.warn(problem)
  end
  if not config.problems then
    health.warn('setup was not called', "add require('aix_lsp').setup() to your configuration")
  end
end

local function check_server()
  health.start('aix-lsp: server')
  local cmd, problem = server.command()
  if not cmd then
    return health.error(problem)
  end
  local found = vim.system(vim.list_extend({ unpack(cmd) }, { '--version' }), { text = true }):wait(20000)
  if found.code == 0 then
    health.ok(('%s: %s'):format(table.concat(cmd, ' '), vim.trim(found.stdout)))
  else
    health.error(table.concat(cmd, ' ') .. ' --version failed: ' .. vim.trim(found.stderr or ''), 'run `aix-lsp doctor`')
  end
end

local function check_client()
  health.start('aix-lsp: this session')
  local clients = vim.lsp.get_clients({ name = server.name })
  if #clients == 0 then
    return health.warn('no server is running', 'open a file; then see `:AixLsp log`')
  end
  for _, client in ipairs(clients) do
    local buffers = vim.tbl_count(client.attached_buffers)
    health.ok(('server %d, %d buffers, positions in %s'):format(client.id, buffers, client.offset_encoding))
  end
  local status = require('aix_lsp.status').current
  local say = status.state == 'error' and health.error or health.info
  say(('state: %s %s'):format(status.state, status.message or ''))
  if (status.running or '') ~= '' then
    health.info(('model: %s, runs as %s'):format(status.model, status.running))
  end
  for _, message in ipairs(require('aix_lsp.status').messages) do
    health.warn(message)
  end
end

local function check_keys()
  health.start('aix-lsp: keys')
  local keys = config.options.keys
  for name, lhs in pairs(type(keys) == 'table' and keys or {}) do
    if lhs then
      health.info(('%s: %s'):format(lhs, (name:gsub('_', ' '))))
    end
  end
  for _, name in ipairs({ 'cmp', 'blink.cmp' }) do
    if package.loaded[name] then
      health.info(name .. ' is loaded: its menu goes before ghost text, and its mappings before these')
    end
  end
end

function M.check()
  check_neovim()
  check_server()
  check_client()
  check_keys()
end

return M
