-- KEYS[1] is a hash, or nothing. Writes to it, and leaves it as it was. It begins by removing what is not there:
-- then a server whose memory is full does not refuse the rest.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], '', '')
redis.call('HDEL', KEYS[1], '')
return 0
