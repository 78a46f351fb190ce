--- Test Anything Protocol for the Lua tests: each test is a sentence and a function.
local tap = {}

local count, failed, skipped = 0, 0, 0

local function show(value)
  if type(value) == "string" then return string.format("%q", value) end
  return tostring(value)
end

--- Runs one test; an error in it is a failure with its message.
---@param sentence string
---@param body fun()
function tap.test(sentence, body)
  count = count + 1
  local ok, message = xpcall(body, debug.traceback)
  if not ok then failed = failed + 1 end
  print(string.format("%s %d - %s", ok and "ok" or "not ok", count, sentence))
  if not ok then print((tostring(message):gsub("[^\n]+", "# %0"))) end
end

--- Counts a test that cannot run here, with the reason.
function tap.skip(sentence, reason)
  count, skipped = count + 1, skipped + 1
  print(string.format("ok %d - %s # SKIP %s", count, sentence, reason))
end

function tap.equal(found, expected, what)
  if found ~= expected then
    error(string.format("%s: found %s, expected %s", what or "value", show(found),
                        show(expected)), 2)
  end
end

function tap.near(found, expected, tolerance, what)
  if not (type(found) == "number" and math.abs(found - expected) <= tolerance) then
    error(string.format("%s: found %s, expected %s +- %s", what or "value", show(found),
                        show(expected), show(tolerance)), 2)
  end
end

function tap.truthy(found, what)
  if not found then error((what or "value") .. ": found " .. show(found), 2) end
end

--- The text contains part (plain).
function tap.contains(text, part)
  if type(text) ~= "string" or not text:find(part, 1, true) then
    error(string.format("%s does not contain %s", show(text), show(part)), 2)
  end
end

--- body raises; returns the message.
function tap.raises(body, part)
  local ok, message = pcall(body)
  if ok then error("nothing was raised", 2) end
  message = tostring(message)
  if part and not message:find(part, 1, true) then
    error(string.format("raised %s, expected %s", show(message), show(part)), 2)
  end
  return message
end

--- Prints the plan and ends the program with the right status.
function tap.done()
  print("1.." .. count)
  print(string.format("%d passed, %d failed, %d skipped", count - failed - skipped, failed,
                      skipped))
  os.exit(failed == 0 and 0 or 1, true)
end

return tap
