-- Ends all sessions except one. Returns all that have ended.
local except, call = unpack(ARGV)
local ended = {}
for _, entry in ipairs(entries()) do
  if entry.id ~= except or not lives(entry.value) then
    if lives(entry.value) then finish(entry.id, entry.value, call) end
    ended[#ended + 1] = entry.id
  end
end
return ended
