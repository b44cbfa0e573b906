vim.lsp.enable('midfill')
vim.lsp.inline_completion.enable()

-- Tab accepts the ghost text, Ctrl-Right its next word, Ctrl-Down its next line; Ctrl-Up shows another one.
vim.keymap.set('i', '<Tab>', function() return require('midfill').accept() and '' or '<Tab>' end, { expr = true })
vim.keymap.set('i', '<C-Right>', function() return require('midfill').accept('word') and '' or '<C-Right>' end, { expr = true })
vim.keymap.set('i', '<C-Down>', function() return require('midfill').accept('line') and '' or '<C-Down>' end, { expr = true })
vim.keymap.set('i', '<C-Up>', function() require('midfill').select() end)

vim.o.statusline = "%t %m%=%{v:lua.require'midfill'.status()} %l:%c"
