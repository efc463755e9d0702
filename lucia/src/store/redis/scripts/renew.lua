-- Moves the times of a session that lives. Returns whether it does.
local id, renewed, idle, life = unpack(ARGV)
local value = redis.call('HGET', index, id)
if not value or not lives(value) then return 0 end
put(id, renewed, idle, life, value)
return 1
