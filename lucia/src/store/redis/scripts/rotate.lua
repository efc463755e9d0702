-- Puts a session in the place of another one, if that one lives. Returns whether it is there, and the ids of
-- others that have ended.
local old, new, call, renewed, idle, life = unpack(ARGV)
local value, there = redis.call('HGET', index, old), redis.call('HGET', index, new)
if there then
  -- The answer to the first time did not arrive.
  return { lives(there) and 1 or 0, left_behind() }
end
if not value or not lives(value) then return { 0, left_behind() } end
finish(old, value, call, 'R')
put(new, renewed, idle, life)
return { 1, left_behind() }
