-- KEYS[1] is the hash of a session. Deletes it, and returns its fields.
local fields = redis.call('HGETALL', KEYS[1])
redis.call('DEL', KEYS[1])
return fields
