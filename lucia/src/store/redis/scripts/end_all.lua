-- Ends all sessions except one. Returns the ids of all that have ended, the rotated ones included.
local except, call = unpack(ARGV)
local ids = {}
for _, entry in ipairs(entries()) do
  if entry.id ~= except or not lives(entry.value) then
    if lives(entry.value) then finish(entry.id, entry.value, call) end
    ids[#ids + 1] = entry.id
  end
end
return ids
