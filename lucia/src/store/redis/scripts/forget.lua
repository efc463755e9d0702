-- Removes the entries of sessions that have ended, and whose hashes are deleted.
for _, id in ipairs(ARGV) do
  local value = redis.call('HGET', index, id)
  if value and not lives(value) then redis.call('HDEL', index, id) end
end
return 0
