-- Does in Neovim what a person does, and writes what was to be seen to $REPORT, as JSON.
-- nvim --headless -u init.lua -S neovim.lua model.py

local report = {}

local function wait_for(what, is_so)
  if not vim.wait(60000, is_so, 20) then
    error('in vain: ' .. what)
  end
end

local function count()
  return #vim.diagnostic.get(0)
end

local function wait_for_findings(number)
  wait_for(number .. ' findings', function() return count() == number end)
end

local function wait_for_a_change(before)
  wait_for('other findings than ' .. before, function() return count() ~= before end)
end

-- What is shown at this moment: the text, and every finding with the code that is underlined.
local function seen()
  local shown = vim.diagnostic.get(0)
  table.sort(shown, function(one, other)
    return one.lnum < other.lnum or one.lnum == other.lnum and one.col < other.col
  end)
  local findings = vim.tbl_map(function(d)
    local lines = vim.api.nvim_buf_get_text(0, d.lnum, d.col, d.end_lnum, d.end_col, {})
    return { code = d.code, place = table.concat(lines, '\n'), line = d.lnum + 1 }
  end, shown)
  return { text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n') .. '\n', findings = findings }
end

local function float()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.api.nvim_win_get_config(window).relative ~= '' then
      return window
    end
  end
end

-- What the floating window says that `open` opens.
local function said_by(open)
  open()
  wait_for('a floating window', float)
  local buffer = vim.api.nvim_win_get_buf(float())
  local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
  vim.api.nvim_win_close(float(), true)
  return text
end

-- An edit of the text that is not saved.
local function give_the_biases_back()
  vim.cmd('%substitute/, bias=False//g')
end

local function session()
  wait_for('any finding', function() return count() > 0 end)
  local all = count()
  report.opened = seen()

  local first = vim.diagnostic.get(0)[1]
  vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
  report.hover = said_by(vim.lsp.buf.hover)
  report.line = said_by(vim.diagnostic.open_float)

  vim.ui.select = function(items, options, choose)
    report.menu = vim.tbl_map(options.format_item, items)
    choose(items[1], 1)
  end
  vim.lsp.buf.code_action()
  wait_for_a_change(all)
  report.repaired = seen()

  give_the_biases_back()
  wait_for_findings(all)
  report.edited = seen()

  vim.lsp.buf.code_action({ context = { only = { 'source.fixAll.biaslens' }, diagnostics = {} }, apply = true })
  wait_for_a_change(all)
  report.fixed = seen()

  give_the_biases_back()
  wait_for_findings(all)
  vim.cmd('write')
  report.saved = { text = seen().text, modified = vim.bo.modified }
end

local succeeded, why = xpcall(session, debug.traceback)
report.failure = not succeeded and why or nil
vim.fn.writefile({ vim.json.encode(report) }, os.getenv('REPORT'))
vim.cmd('qall!')
