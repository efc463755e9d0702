-- KEYS[1] is the hash of a new session. Stores its fields, for so many milliseconds.
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 0
