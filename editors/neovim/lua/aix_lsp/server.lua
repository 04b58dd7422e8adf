--- Owns finding, installing and starting the language server. Knows nothing of ghost text.
local config = require('aix_lsp.config')
local status = require('aix_lsp.status')
local stream = require('aix_lsp.stream')
local M = {}

M.name = 'aix_lsp'

local function venv()
  return vim.fs.normalize(vim.fn.stdpath('data') .. '/aix-lsp/venv')
end

local function in_venv(program)
  local windows = vim.fn.has('win32') == 1
  return venv() .. (windows and '/Scripts/' .. program .. '.exe' or '/bin/' .. program)
end

--- The server's command, or nil and what the user can do about it.
---@return string[]|nil, string|nil
function M.command()
  local cmd = config.options.cmd
  if cmd then
    if vim.fn.executable(cmd[1]) == 1 then
      return cmd
    end
    return nil, ("option 'cmd' names '%s', which is not executable"):format(cmd[1])
  end
  for _, program in ipairs({ 'aix-lsp', in_venv('aix-lsp') }) do
    if vim.fn.executable(program) == 1 then
      return { program, '--stdio' }
    end
  end
  return nil, "no aix-lsp found: run ':AixLsp install' (or 'pipx install aix-lsp', or set option 'cmd')"
end

--- Whether the user wants suggestions in a buffer at all; the server decides what is secret.
function M.wants(bufnr)
  local options, bo = config.options, vim.bo[bufnr]
  if bo.buftype ~= '' or vim.b[bufnr].aix_lsp == false then
    return false
  end
  if vim.tbl_contains(options.exclude_filetypes, bo.filetype) then
    return false
  end
  return not options.filetypes or vim.tbl_contains(options.filetypes, bo.filetype)
end

local function root(bufnr)
  local name = vim.api.nvim_buf_get_name(bufnr)
  return name ~= '' and vim.fs.root(bufnr, { '.aix-lsp.toml', '.git', '.hg' }) or nil
end

local function capabilities()
  local made = vim.lsp.protocol.make_client_capabilities()
  made.experimental = vim.tbl_extend('force', made.experimental or {}, { aix = { status = true } })
  return made
end

local function client_config(cmd)
  return {
    cmd = cmd,
    cmd_env = next(config.options.env) and config.options.env or nil,
    capabilities = capabilities(),
    init_options = config.options.settings,
    settings = { aix = config.options.settings },
    handlers = {
      ['$/progress'] = stream.on_progress,
      ['aix/status'] = status.on_status,
      ['window/showMessage'] = status.on_message,
    },
    on_exit = status.on_exit,
    get_language_id = function(_, filetype)
      return filetype ~= '' and filetype or 'plaintext'
    end,
  }
end

--- One server for all buffers of a project, and one for all that are in none: 0.10 would start one for each of those.
local function same_project(client, wanted)
  return client.name == wanted.name and client.config.root_dir == wanted.root_dir
end

--- The filetype event fires for each buffer when it is loaded; those already open are handled here, too.
local function start_by_autocmd(made)
  vim.api.nvim_create_autocmd({ 'FileType', 'BufReadPost', 'BufNewFile' }, {
    group = vim.api.nvim_create_augroup('aix_lsp.start', {}),
    callback = function(event)
      if M.wants(event.buf) and #vim.lsp.get_clients({ bufnr = event.buf, name = M.name }) == 0 then
        vim.lsp.start(vim.tbl_extend('force', made, { name = M.name, root_dir = root(event.buf) }), {
          bufnr = event.buf,
          reuse_client = same_project,
        })
      end
    end,
  })
end

--- Start the server for this and every later buffer that wants it.
---@return boolean started
function M.enable()
  local cmd, problem = M.command()
  if not cmd then
    require('aix_lsp.say').line(problem, vim.log.levels.WARN)
    return false
  end
  local made = client_config(cmd)
  if not vim.lsp.enable then
    start_by_autocmd(made)
    return true
  end
  made.root_dir = function(bufnr, on_dir)
    if M.wants(bufnr) then
      on_dir(root(bufnr))
    end
  end
  vim.lsp.config(M.name, made)
  vim.lsp.enable(M.name)
  return true
end

--- The running client of a buffer, or any.
---@return vim.lsp.Client|nil
function M.client(bufnr)
  return vim.lsp.get_clients({ name = M.name, bufnr = bufnr })[1] or vim.lsp.get_clients({ name = M.name })[1]
end

--- Run one of the server's commands and pass its answer on; an error is shown.
---@param on_answer fun(answer: any)
function M.call(command, arguments, on_answer)
  local client = M.client(vim.api.nvim_get_current_buf())
  if not client then
    vim.notify('aix-lsp: no server is running; see :checkhealth aix_lsp', vim.log.levels.WARN)
    return
  end
  local params = { command = command, arguments = arguments }
  stream.request(client, 'workspace/executeCommand', params, function(err, result)
    if err then
      vim.notify('aix-lsp: ' .. err.message, vim.log.levels.ERROR)
    else
      on_answer(result)
    end
  end)
end

--- Run one of the server's commands and show its answer.
function M.execute(command, ...)
  M.call(command, { ... }, function(result)
    if result ~= nil and result ~= vim.NIL then
      vim.notify(type(result) == 'string' and result or vim.inspect(result))
    end
  end)
end

--- Install the server into the plugin's own environment, then start it.
function M.install()
  require('aix_lsp.install').run(venv(), in_venv('python'), config.options.package, M.restart)
end

--- Stop the server and start it again.
function M.restart()
  for _, client in ipairs(vim.lsp.get_clients({ name = M.name })) do
    local stop = client.stop
    stop(vim.fn.has('nvim-0.11') == 1 and client or nil)
  end
  local tries = 0
  local function again()
    tries = tries + 1
    if #vim.lsp.get_clients({ name = M.name }) > 0 and tries < 100 then
      return vim.defer_fn(again, 50)
    end
    M.enable()
    vim.cmd('silent! doautoall <nomodeline> FileType')
  end
  again()
end

return M
