"""The two scripts behind `limits`: each is one atomic call, by Redis's own clock, whatever the size of the chunk."""

from __future__ import annotations

# A hash of few and short fields is kept as a list, in which each of a chunk's accounts would be searched from the
# start: five times the cost of an order. One long value makes it a table at once.
_TABLE = "'table', string.rep('-', 80)"

# KEYS: breaker, pause, weight, index, then one for each window of orders.
# ARGV: kind, name in the index, how many, weight of each, weight that may be used, seconds of its interval, pace of
#   probes in ms, probes a pace, characters of an account, the accounts in one text; then for each window of orders how
#   many this kind may have used, and the seconds of its interval.
# Returns a mark for each (1 may go, r limits, p pause, v venue away), milliseconds until it is worth another try, and
# whether the breaker has anything written.
_ADMIT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local kind, count = ARGV[1], tonumber(ARGV[3])
local wait = 0
local function later(ms) if wait == 0 or ms < wait then wait = ms end end
local function none(mark, ms) return {string.rep(mark, count), ms, 1} end

redis.call('HSET', KEYS[4], ARGV[2], now)
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then return none('p', pause) end

local most, full = count, 'v'
local b = redis.call('HMGET', KEYS[1], 'failures', 'since', 'retry_at', 'probed_' .. kind, 'probes_' .. kind)
local probed, probes
if b[2] then
  local retry, pace = tonumber(b[3]), tonumber(ARGV[7])
  if now < retry and kind ~= 'close' and kind ~= 'ask' then return none('v', retry - now) end
  probed, probes = tonumber(b[4]) or 0, tonumber(b[5]) or 0
  if now - probed >= pace then probed, probes = now, 0 end
  most = math.min(count, tonumber(ARGV[8]) - probes)
  if most <= 0 then return none('v', probed + pace - now) end
  if most < count then later(probed + pace - now) end
end

local each, used, interval = tonumber(ARGV[4]), 0, 0
local seconds = tonumber(ARGV[6])
if each > 0 then
  interval = math.floor(now / 1000 / seconds)
  local w = redis.call('HMGET', KEYS[3], 'interval', 'used')
  if tonumber(w[1]) == interval then used = tonumber(w[2]) end
  local room = math.max(0, math.floor((tonumber(ARGV[5]) - used) / each))
  if room < most then
    most, full = room, 'r'
    later((interval + 1) * seconds * 1000 - now)
  end
end

local accounts, windows = {}, {}
if #KEYS > 4 then
  local width = tonumber(ARGV[9])
  for i = 1, count do accounts[i] = string.sub(ARGV[10], (i - 1) * width + 1, i * width) end
  for k = 5, #KEYS do
    local cap, length = tonumber(ARGV[2 * k + 1]), tonumber(ARGV[2 * k + 2])
    local present = math.floor(now / 1000 / length)
    local had, counts = redis.call('HMGET', KEYS[k], '#', unpack(accounts)), {}
    if tonumber(had[1]) == present then
      for i = 1, count do counts[accounts[i]] = tonumber(had[i + 1]) end
    else
      redis.call('UNLINK', KEYS[k])
      redis.call('HSET', KEYS[k], '#', present, %(table)s)
      redis.call('PEXPIRE', KEYS[k], 2000 * length)
    end
    windows[#windows + 1] =
      {key = KEYS[k], cap = cap, counts = counts, changed = {}, left = (present + 1) * length * 1000 - now}
  end
end

local marks, given = '', math.min(most, count)
if #windows == 0 then
  marks = string.rep('1', given) .. string.rep(full, count - given)
else
  local each_mark = {}
  given = 0
  for i = 1, count do
    local mark, account = full, accounts[i]
    if given < most then
      mark = '1'
      for n = 1, #windows do
        local w = windows[n]
        if (w.counts[account] or 0) >= w.cap then
          mark = 'r'
          later(w.left)
        end
      end
      if mark == '1' then
        given = given + 1
        for n = 1, #windows do
          local w = windows[n]
          local used_now = (w.counts[account] or 0) + 1
          w.counts[account] = used_now
          w.changed[2 * given - 1], w.changed[2 * given] = account, used_now
        end
      end
    end
    each_mark[i] = mark
  end
  marks = table.concat(each_mark)
end

if given > 0 then
  for n = 1, #windows do redis.call('HSET', windows[n].key, unpack(windows[n].changed)) end
  if each > 0 then
    redis.call('HSET', KEYS[3], 'interval', interval, 'used', used + given * each)
    redis.call('PEXPIRE', KEYS[3], 2000 * seconds)
  end
  if probed then redis.call('HSET', KEYS[1], 'probed_' .. kind, probed, 'probes_' .. kind, probes + given) end
end
return {marks, wait, (b[1] or b[2]) and 1 or 0}
"""

# KEYS: breaker, pause, weight, then one for each window of orders.
# ARGV: pause in ms, failures, answers, interval and weight told, seconds of its interval, failures that open, within
#   ms, first rest in ms, longest rest in ms; then for each told count of orders: which key, interval, seconds, account,
#   count. Returns 1 where the breaker is open or has failures written.
_HEED = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local pause = tonumber(ARGV[1])
if pause > 0 and pause > redis.call('PTTL', KEYS[2]) then redis.call('SET', KEYS[2], now + pause, 'PX', pause) end

local told, seconds = tonumber(ARGV[5]), tonumber(ARGV[6])
if told > 0 and tonumber(ARGV[4]) == math.floor(now / 1000 / seconds) then
  local w = redis.call('HMGET', KEYS[3], 'interval', 'used')
  if w[1] ~= ARGV[4] or tonumber(w[2]) < told then
    redis.call('HSET', KEYS[3], 'interval', ARGV[4], 'used', told)
    redis.call('PEXPIRE', KEYS[3], 2000 * seconds)
  end
end
for i = 11, #ARGV, 5 do
  local key, interval, length, account, count =
    KEYS[tonumber(ARGV[i])], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], tonumber(ARGV[i + 4])
  if tonumber(interval) == math.floor(now / 1000 / length) then
    if redis.call('HGET', key, '#') ~= interval then
      redis.call('UNLINK', key)
      redis.call('HSET', key, '#', interval, %(table)s)
      redis.call('PEXPIRE', key, 2000 * length)
    end
    if (tonumber(redis.call('HGET', key, account)) or 0) < count then redis.call('HSET', key, account, count) end
  end
end

local failures, answers = tonumber(ARGV[2]), tonumber(ARGV[3])
if answers > 0 then
  redis.call('UNLINK', KEYS[1])
  return 0
end
local b = redis.call('HMGET', KEYS[1], 'failures', 'first_at', 'since', 'retry_at', 'rest')
if failures > 0 then
  local had, first = tonumber(b[1]) or 0, tonumber(b[2]) or now
  if not b[3] and now - first > tonumber(ARGV[8]) then had, first = 0, now end
  had = had + failures
  redis.call('HSET', KEYS[1], 'failures', had, 'first_at', first, 'last_at', now)
  local rest = tonumber(b[5]) or tonumber(ARGV[9])
  if b[3] and now >= tonumber(b[4]) then
    rest = math.min(rest * 2, tonumber(ARGV[10]))
    redis.call('HSET', KEYS[1], 'retry_at', now + rest, 'rest', rest)
  elseif not b[3] and had >= tonumber(ARGV[7]) then
    redis.call('HSET', KEYS[1], 'since', now, 'retry_at', now + rest, 'rest', rest)
  end
  redis.call('PEXPIRE', KEYS[1], 3600000)
end
return (b[1] or failures > 0) and 1 or 0
"""

ADMIT, HEED = (script.replace("%(table)s", _TABLE) for script in (_ADMIT, _HEED))
