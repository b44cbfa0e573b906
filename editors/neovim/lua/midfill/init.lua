-- What Midfill adds to vim.lsp.inline_completion: acceptance by parts, other texts, a status, and the command :Midfill.
local M = {}

M.subcommands = { 'log', 'pause', 'restart', 'resume', 'snooze', 'status', 'why' }

---What to do where the program is not found.
M.mends = {
  'install Midfill, or put its folder on PATH before Neovim starts',
  "or say where it is: vim.lsp.config('midfill', { cmd = { '/path/to/midfill', 'serve' } })",
}

local statuses = {} ---@type table<integer, table> by client id

---Take over the server's status; called for each `midfill/statusChanged`.
---@param client_id integer
---@param status table
function M.remember(client_id, status)
  statuses[client_id] = status
  vim.schedule(function() vim.cmd.redrawstatus({ bang = true }) end)
end

---Say so where the program that is to serve is not there: Neovim only logs it.
function M.check_program()
  local cmd = vim.lsp.is_enabled('midfill') and vim.lsp.config.midfill.cmd
  if type(cmd) == 'table' and vim.fn.executable(cmd[1]) == 0 then
    local mend = table.concat(M.mends, '; ')
    vim.notify(('Midfill: %s is not an executable program; %s'):format(cmd[1], mend), vim.log.levels.WARN)
  end
end

---What keeps this window silent, if anything does.
---@param status table
---@return string?
local function silence(status)
  if status.paused then
    return 'paused'
  elseif type(status.snoozedUntil) == 'number' then
    return 'snoozed until ' .. os.date('%H:%M', math.floor(status.snoozedUntil))
  end
end

---For a statusline: the model, or what keeps it from working; '' where Midfill is not attached.
---@return string
function M.status()
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'midfill' })[1]
  local status = client and statuses[client.id]
  if not status then
    return ''
  elseif silence(status) then
    return 'midfill: ' .. silence(status)
  elseif status.state == 'loading' then
    return ('midfill: loading %d%%'):format(100 * status.progress)
  elseif status.state == 'ready' and type(status.model) == 'string' then
    return 'midfill: ' .. status.model
  end
  return 'midfill: ' .. status.state
end

---The part of a text that one key accepts: its next word or line with the blanks before it, or all.
---@param text string
---@param unit 'word'|'line'|nil
local function part_of(text, unit)
  if unit == 'word' then
    return text:match('^%s*[%w_\128-\255]+') or text:match('^%s*[^%w%s_\128-\255]+') or text
  elseif unit == 'line' then
    return text:match('^%s*[^\n]*')
  end
  return text
end

---What the user has typed since the item was made, and the rest of the item; nil if the two disagree. Neovim shows
---an item, and would insert it at its old place, until the server's next answer is there.
---@param item vim.lsp.inline_completion.Item
---@return string? typed
---@return string? rest
local function since(item)
  local row, column = item.range:to_extmark()
  local cursor = vim.api.nvim_win_get_cursor(0)
  local ok, lines = pcall(vim.api.nvim_buf_get_text, 0, row, column, cursor[1] - 1, cursor[2], {})
  local typed = ok and table.concat(lines, '\n')
  if typed and vim.startswith(item.insert_text, typed) then
    return typed, item.insert_text:sub(#typed + 1)
  end
end

---Insert it so that one undo takes it back, and not what was typed before.
---@param text string
local function insert(text)
  vim.cmd('let &undolevels = &undolevels')
  local lines = vim.split(text, '\n', { plain = true })
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row, column = cursor[1] - 1, cursor[2]
  vim.api.nvim_buf_set_text(0, row, column, row, column, lines)
  local indent = #lines == 1 and column or 0
  vim.api.nvim_win_set_cursor(0, { row + #lines, indent + #lines[#lines] })
end

---Accept the ghost text, or its next word or line; the rest is shown again in a moment.
---@param unit 'word'|'line'|nil
---@return boolean there was ghost text
function M.accept(unit)
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      local client = vim.lsp.get_client_by_id(item.client_id)
      if type(item.insert_text) ~= 'string' or not item.range or not client then
        return item -- not one of Midfill's
      end
      local typed, rest = since(item)
      if not typed or not rest or rest == '' then
        return nil
      end
      local part = part_of(rest, unit)
      insert(part)
      if part == rest and item.command then
        client:exec_cmd(item.command, { bufnr = vim.api.nvim_get_current_buf() })
      elseif part ~= rest then
        client:notify('textDocument/didPartiallyAcceptCompletion', {
          item = { insertText = item.insert_text, command = item.command },
          acceptedLength = vim.str_utfindex(typed .. part, 'utf-16'),
        })
      end
    end,
  })
end

local asked ---@type string? where the texts to choose from were asked for last

---Show another text for this place; the first time all that there are to choose from are asked for.
---Neovim itself only ever asks for one.
---@param count? integer how many to go on by; back if negative
function M.select(count)
  local buffer = vim.api.nvim_get_current_buf()
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'midfill' })[1]
  local found, capability = pcall(require, 'vim.lsp._capability') -- Neovim has no other way to give it an answer
  local completor = found and vim.tbl_get(capability, 'all', 'inline_completion', 'active', buffer)
  local place = table.concat({ buffer, vim.b.changedtick, unpack(vim.api.nvim_win_get_cursor(0)) }, ' ')
  if asked == place or not client or not completor then
    vim.lsp.inline_completion.select({ count = count })
    return
  end
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = vim.lsp.protocol.InlineCompletionTriggerKind.Invoked }
  client:request('textDocument/inlineCompletion', params, function(err, result, context)
    if not err and result and #(result.items or result) > 0 then
      asked = place
      local had = completor.current
      completor:handler(err, result, context)
      if had then
        vim.lsp.inline_completion.select({ count = count })
      end
    end
  end, buffer)
end

---@param status table the answer of any of Midfill's requests
---@return string
local function in_words(status)
  local silent = silence(status)
  local state = silent and silent .. '; engine ' .. status.state or status.state
  local model = type(status.model) == 'string' and ', model ' .. status.model or ''
  local accepted = (', %d accepted'):format(status.counts.accepted + status.counts.partlyAccepted)
  local message = status.message ~= '' and '. ' .. status.message or ''
  local manual = status.trigger == 'manual' and ', only when asked' or ''
  return 'Midfill: ' .. state .. model .. manual .. accepted .. message
end

---@param name string of the request
---@param answer table
---@return string
local function told(name, answer)
  if name == 'why' then
    return 'Midfill: ' .. (answer.requests[#answer.requests] or 'nothing was asked yet; type in a file, then try again')
  end
  return in_words(answer)
end

---`:Midfill NAME`, or `:Midfill snooze MINUTES`
---@param name string?
---@param argument string?
function M.run(name, argument)
  name = name or 'status'
  if not vim.list_contains(M.subcommands, name) then
    local known = table.concat(M.subcommands, ', ')
    vim.notify(('Midfill: %s is not a command; use one of %s'):format(name, known), vim.log.levels.ERROR)
    return
  end
  if name == 'log' then
    vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.log.get_filename()))
    return
  end
  local params = nil
  if name == 'snooze' then
    params = { minutes = tonumber(argument) }
    if not params.minutes then
      vim.notify('Midfill: for how many minutes? For example :Midfill snooze 30', vim.log.levels.ERROR)
      return
    end
  end
  local clients = vim.lsp.get_clients({ name = 'midfill' })
  if #clients == 0 then
    local mend = "Midfill: no server runs here; open a file, and check that `vim.lsp.enable('midfill')` is in init.lua"
    vim.notify(mend, vim.log.levels.WARN)
  end
  for _, client in ipairs(clients) do
    client:request('midfill/' .. name, params, function(err, answer)
      vim.notify(err and err.message or told(name, answer), err and vim.log.levels.ERROR or vim.log.levels.INFO)
    end)
  end
end

return M
