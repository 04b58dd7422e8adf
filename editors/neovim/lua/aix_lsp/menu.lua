--- Knows whether a completion menu is open: Neovim's own, nvim-cmp's or blink.cmp's.
local M = {}

--- Asks only plugins that are already loaded.
local function asked(name, method)
  local plugin = package.loaded[name]
  if type(plugin) ~= 'table' then
    return false
  end
  local ok, visible = pcall(function()
    return plugin[method]()
  end)
  return ok and visible == true
end

function M.visible()
  return vim.fn.pumvisible() == 1 or asked('cmp', 'visible') or asked('blink.cmp', 'is_menu_visible')
end

local hooked = false

--- Call `changed` whenever a plugin's menu opens or closes. May be called again: nvim-cmp may be loaded after us.
function M.watch(changed)
  local cmp = package.loaded['cmp']
  if type(cmp) == 'table' and cmp.event and not hooked then
    hooked = true
    cmp.event:on('menu_opened', changed)
    cmp.event:on('menu_closed', changed)
  end
  vim.api.nvim_create_autocmd('User', {
    group = vim.api.nvim_create_augroup('aix_lsp.menu', {}),
    pattern = { 'BlinkCmpMenuOpen', 'BlinkCmpMenuClose' },
    callback = changed,
  })
end

return M
