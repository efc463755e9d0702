-- KEYS[1] is the hash of a session. Sets these fields if it is there, and returns all of them. With a number of
-- milliseconds, that is how long it stays from now on. In this order, so that a session is renewed where the memory
-- of the server is full: it refuses to write to a hash, except in a script that has written something else.
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
if #ARGV > 1 then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
return redis.call('HGETALL', KEYS[1])
