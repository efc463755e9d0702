-- KEYS[1] is the index of a user's sessions: a hash of values by session id. Every value ends with the moment
-- from which the entry may go, in 16 digits of milliseconds by the clock of this server. Before it stands
--   L  for a session that lives: renewed_at and idle_expires, each in 20 digits that sort as the times do
--   E  for one that has ended, and whose hash is still to be deleted: when it ended, in 16 digits, and the
--      16 characters of the call that ended it
--   R  for the same after a rotation, which has still to look at the hash
local index = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- How long a rotation has for that, in milliseconds.
local PATIENCE = 10000

local function digits(moment) return string.format('%016.0f', moment) end
local function lives(value) return string.sub(value, 1, 1) == 'L' end
local function goes(value) return tonumber(string.sub(value, -16)) end

-- A server whose memory is full refuses to write to a hash, except in a script that has removed something before, if
-- only what is not there. To end a session or to move its times takes no room.
local function goes_on_when_full() redis.call('HDEL', index, '') end

-- Adds a session that lives, or moves its times. Its entry never goes earlier than before.
local function put(id, renewed, idle, life, former)
  local moment = now + tonumber(life)
  if former then
    moment = math.max(moment, goes(former))
    goes_on_when_full()
  end
  redis.call('HSET', index, id, 'L' .. renewed .. idle .. digits(moment))
  if redis.call('PTTL', index) < moment - now then
    redis.call('PEXPIRE', index, string.format('%.0f', moment - now))
  end
end

local function finish(id, value, call, kind)
  goes_on_when_full()
  redis.call('HSET', index, id, (kind or 'E') .. digits(now) .. call .. string.sub(value, -16))
end

local function ended_by(value, call)
  return not lives(value) and string.sub(value, 18, 33) == call
end

-- All entries, without those that may go.
local function entries()
  local flat, list = redis.call('HGETALL', index), {}
  for i = 1, #flat, 2 do
    if goes(flat[i + 1]) <= now then
      redis.call('HDEL', index, flat[i])
    else
      list[#list + 1] = { id = flat[i], value = flat[i + 1] }
    end
  end
  return list
end

-- The ids of those that have ended, and whose hashes are to be deleted now: by the call that ended them, and by
-- all others in case that one never comes back.
local function ended(list)
  local ids = {}
  for _, entry in ipairs(list) do
    local kind, moment = string.sub(entry.value, 1, 1), string.sub(entry.value, 2, 17)
    if kind == 'E' or (kind == 'R' and tonumber(moment) + PATIENCE < now) then ids[#ids + 1] = entry.id end
  end
  return ids
end

-- The same where it is cheap: a long index is looked through by one call in 64.
local function left_behind()
  local length = redis.call('HLEN', index)
  if length > 64 and length % 64 ~= 0 then return {} end
  return ended(entries())
end
