-- Adds a session. Ends the one that it replaces, and those in excess: expired ones first, then those that were
-- renewed the longest ago. Returns the ids of those in excess, and of those that have ended.
local id, call, renewed, idle, created, life, limit, replaced = unpack(ARGV)
local excess = {}
if redis.call('HEXISTS', index, id) == 0 then
  if limit ~= '' then
    local others = {}
    for _, entry in ipairs(entries()) do
      if lives(entry.value) and entry.id ~= replaced then
        entry.renewed, entry.idle = string.sub(entry.value, 2, 21), string.sub(entry.value, 22, 41)
        others[#others + 1] = entry
      end
    end
    table.sort(others, function(one, other)
      local is_fresh, other_is_fresh = one.idle >= created, other.idle >= created
      if is_fresh ~= other_is_fresh then return is_fresh end
      if one.renewed ~= other.renewed then return one.renewed > other.renewed end
      return one.id < other.id
    end)
    for at = math.max(tonumber(limit), 1), #others do
      finish(others[at].id, others[at].value, call)
      excess[#excess + 1] = others[at].id
    end
  end
  local value = redis.call('HGET', index, replaced)
  if value and lives(value) then finish(replaced, value, call) end
  put(id, renewed, idle, life)
else
  -- The answer to the first time did not arrive.
  for _, entry in ipairs(entries()) do
    if entry.id ~= replaced and ended_by(entry.value, call) then excess[#excess + 1] = entry.id end
  end
end
return { excess, limit == '' and left_behind() or ended(entries()) }
