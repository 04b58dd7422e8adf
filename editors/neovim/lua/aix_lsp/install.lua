--- Owns installing the server into the plugin's own environment. Runs only when asked to.
local M = {}

local function say(text, level)
  vim.schedule(function()
    vim.notify('aix-lsp: ' .. text, level or vim.log.levels.INFO)
  end)
end

-- Python looks for modules in the current folder first, which is the project's. `-I` and a folder of our own keep the
-- project's code from running.
local function python()
  for _, name in ipairs({ 'python3', 'python3.13', 'python3.12', 'python3.11', 'python' }) do
    if vim.fn.executable(name) == 1 then
      vim.fn.system({ name, '-I', '-c', 'import sys, venv; sys.exit(sys.version_info < (3, 11))' })
      if vim.v.shell_error == 0 then
        return name
      end
    end
  end
end

--- Run commands one after the other; `done` is called with the one that failed, or nothing.
local function chain(steps, done)
  local step = table.remove(steps, 1)
  if not step then
    return done()
  end
  say(step.title)
  vim.system(step.cmd, { text = true, cwd = step.cwd }, function(result)
    if result.code ~= 0 then
      return done(('%s failed:\n%s'):format(table.concat(step.cmd, ' '), result.stderr))
    end
    chain(steps, done)
  end)
end

--- Create the environment and install into it; calls `done` when the server is installed.
---@param venv string folder of the environment
---@param executable string the environment's Python
---@param package string what pip installs: a name, or a path
---@param done fun()
function M.run(venv, executable, package, done)
  local base = python()
  if not base then
    say('Python 3.11 or newer with its venv module is needed', vim.log.levels.ERROR)
    return
  end
  local pip = { executable, '-m', 'pip', 'install', '--upgrade', '--quiet', package }
  chain({
    { title = 'creating an environment in ' .. venv, cmd = { base, '-I', '-m', 'venv', venv } },
    { title = ('installing %s; torch is large, this takes minutes'):format(package), cmd = pip, cwd = venv },
  }, function(failure)
    if failure then
      return say(failure, vim.log.levels.ERROR)
    end
    say('installed')
    vim.schedule(done)
  end)
end

return M
