-- What is needed from the start: the command, and an ear for the server's status. The rest is lua/midfill/init.lua.
if vim.g.loaded_midfill then
  return
end
vim.g.loaded_midfill = true

vim.lsp.handlers['midfill/statusChanged'] = function(_, status, context)
  require('midfill').remember(context.client_id, status)
end

vim.api.nvim_create_autocmd('InsertEnter', {
  once = true,
  desc = 'Say when the program midfill is missing',
  callback = function() require('midfill').check_program() end,
})

vim.api.nvim_create_user_command('Midfill', function(command)
  require('midfill').run(unpack(command.fargs))
end, {
  nargs = '*',
  desc = 'Pause, snooze or resume Midfill, restart its engine, show its status or log, say why there is no ghost text',
  complete = function(typed)
    return vim.tbl_filter(function(name)
      return vim.startswith(name, typed)
    end, require('midfill').subcommands)
  end,
})
