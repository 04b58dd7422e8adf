--- Owns the command `:AixLsp`: its subcommands, what each runs, and their completion.
local M = {}

local function execute(command)
  return function(arguments)
    require('aix_lsp.server').execute(command, unpack(arguments))
  end
end

local function language()
  return { language = vim.bo.filetype }
end

---@type table<string, fun(arguments: string[])>
local words = {
  install = function()
    require('aix_lsp.server').install()
  end,
  restart = function()
    require('aix_lsp.server').restart()
  end,
  status = function()
    vim.notify(vim.inspect(require('aix_lsp.status').current))
  end,
  log = function()
    vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.get_log_path and vim.lsp.get_log_path() or vim.lsp.log.get_filename()))
  end,
  health = function()
    vim.cmd.checkhealth('aix_lsp')
  end,
  engine = execute('aix.restartEngine'),
  model = function(arguments)
    if arguments[1] then
      return require('aix_lsp.server').execute('aix.switchModel', unpack(arguments))
    end
    require('aix_lsp.models').choose()
  end,
  statistics = execute('aix.statistics'),
  clear = execute('aix.clearCaches'),
  enable = function(arguments)
    require('aix_lsp.server').execute('aix.enable', arguments[1] == 'language' and language() or nil)
  end,
  disable = function(arguments)
    require('aix_lsp.server').execute('aix.disable', arguments[1] == 'language' and language() or nil)
  end,
}

local function complete(lead, line)
  local found = line:match('^%s*AixLsp!?%s+%S*$') and vim.tbl_keys(words) or {}
  if line:match('AixLsp!?%s+[ed][ni]%w*able%s') then
    found = { 'language' }
  end
  table.sort(found)
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, found)
end

function M.define()
  vim.api.nvim_create_user_command('AixLsp', function(call)
    local arguments = call.fargs
    local word = table.remove(arguments, 1) or 'status'
    local run = words[word]
    if not run then
      vim.notify(("aix-lsp: unknown subcommand '%s'; see :help :AixLsp"):format(word), vim.log.levels.ERROR)
      return
    end
    run(arguments)
  end, { nargs = '*', complete = complete, desc = 'aix-lsp: status, install, restart, model, …' })
end

return M
