-- :checkhealth midfill
local M = {}

---@param cmd string[]
---@return string? output
local function output_of(cmd)
  local ok, done = pcall(function() return vim.system(cmd, { text = true, timeout = 20000 }):wait() end)
  if ok and done.code == 0 then
    return vim.trim(done.stdout)
  end
end

---@param program string
---@return boolean? works
local function check_program(program)
  if vim.fn.executable(program) == 0 then
    vim.health.error(program .. ' is not an executable program', require('midfill').mends)
    return
  end
  local version = output_of({ program, '--version' })
  if not version then
    vim.health.error(vim.fn.exepath(program) .. ' does not work', { 'run `' .. program .. ' --version` in a shell' })
    return
  end
  vim.health.ok(version .. ' at ' .. vim.fn.exepath(program))
  return true
end

---What `midfill doctor` says with the settings of this Neovim.
---@param program string
local function ask_doctor(program)
  local settings = vim.lsp.config.midfill.init_options or {}
  local cmd = { program, 'doctor', '--json', '--settings', '-' }
  local json = vim.json.encode(next(settings) and settings or vim.empty_dict())
  local ran, done = pcall(function() return vim.system(cmd, { text = true, stdin = json, timeout = 120000 }):wait() end)
  local read, told = pcall(vim.json.decode, ran and done.stdout or '')
  if not read then
    vim.health.error('`midfill doctor` does not work', { 'run it in a shell to see why' })
    return
  end
  local say = {
    ok = function(text) vim.health.ok(text) end,
    warn = vim.health.warn,
    fail = vim.health.error,
  }
  local section
  for _, it in ipairs(told.findings) do
    if it.section ~= section then
      section = it.section
      vim.health.start('midfill: ' .. section)
    end
    say[it.level](it.text, it.mend ~= '' and { it.mend } or nil)
  end
end

function M.check()
  vim.health.start('midfill')
  if vim.fn.has('nvim-0.12') == 0 then
    vim.health.error('Neovim is too old for ghost text', { 'install Neovim 0.12 or newer' })
    return
  end
  local cmd = vim.lsp.config.midfill and vim.lsp.config.midfill.cmd
  local works = type(cmd) == 'table' and check_program(cmd[1])
  if vim.lsp.is_enabled('midfill') then
    vim.health.ok('the server is enabled')
  else
    vim.health.error('the server is not enabled', { "put vim.lsp.enable('midfill') into init.lua" })
  end
  if vim.lsp.inline_completion.is_enabled() then
    vim.health.ok('ghost text is enabled')
  else
    vim.health.warn('ghost text is not enabled', { 'put vim.lsp.inline_completion.enable() into init.lua' })
  end
  local clients = vim.lsp.get_clients({ name = 'midfill' })
  if #clients > 0 then
    vim.health.ok(('attached to %d buffers'):format(#vim.tbl_keys(clients[1].attached_buffers)))
  else
    vim.health.warn('attached to no buffer', { 'open a file' })
  end
  if works then
    ask_doctor(cmd[1])
  end
end

return M
