-- Counts payments for the entities of a group and answers each payment's velocity, in order.
--
-- KEYS, three for each observation: the entity's buckets, its partners, the payments it has counted.
-- ARGV: 1 seconds a counted payment id is remembered, 2 seconds partners are remembered, 3 most partners kept,
--       4 to 6 bucket widths in ms; then five for each observation: payment id, partner, time in ms, amount,
--       '1' to count or '0' to look.
-- Answer, one text for each observation: count,sum for each window, partners in 24 h, 1 if the partner is new.
--
-- A payment that was counted before gets the answer of that time and is not counted again. All keys of a call
-- share a hash tag, so that it runs in one slot of the cluster; nothing else touches them.
local seen_seconds, partner_seconds, partner_limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local widths = {tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])}
local BUCKETS, DAY_MS = 12, 86400000
local rings, changed, touched = {}, {}, {}
local answers = {}

local function ring_at(key)
  local ring = rings[key]
  if not ring then
    local stored = redis.call('GET', key)
    ring = stored and cmsgpack.unpack(stored) or {{}, {}, {}}
    rings[key] = ring
  end
  return ring
end

local function observe_window(buckets, current, amount)
  local count, sum, own = 1, amount, nil
  for _, bucket in ipairs(buckets) do
    if bucket[1] >= current - BUCKETS then
      count, sum = count + bucket[2], sum + bucket[3]
    end
    if bucket[1] == current then own = bucket end
  end
  return count, sum, own
end

local function counted(buckets, current, amount)
  local newest, kept = current, {}
  for _, bucket in ipairs(buckets) do
    if bucket[1] > newest then newest = bucket[1] end
  end
  for _, bucket in ipairs(buckets) do
    if bucket[1] >= newest - BUCKETS then kept[#kept + 1] = bucket end
  end
  if current >= newest - BUCKETS then kept[#kept + 1] = {current, 1, amount} end
  return kept
end

for i = 0, #KEYS / 3 - 1 do
  local ring_key, partner_key, seen_key = KEYS[3 * i + 1], KEYS[3 * i + 2], KEYS[3 * i + 3]
  local a = 7 + 5 * i
  local payment, partner, at, amount = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local counts = ARGV[a + 4] == '1'
  local answer = redis.call('HGET', seen_key, payment)
  if not answer then
    local ring, parts = ring_at(ring_key), {}
    for w = 1, 3 do
      local current = math.floor(at / widths[w])
      local count, sum, own = observe_window(ring[w], current, amount)
      parts[w] = string.format('%d,%.17g', count, sum)
      if counts then
        if own then
          own[2], own[3] = own[2] + 1, own[3] + amount
        else
          ring[w] = counted(ring[w], current, amount)
        end
      end
    end
    local last = redis.call('ZSCORE', partner_key, partner)
    local partners = redis.call('ZCOUNT', partner_key, at - DAY_MS, '+inf')
    if not last or tonumber(last) < at - DAY_MS then partners = partners + 1 end
    answer = table.concat(parts, ',') .. ',' .. partners .. ',' .. (last and '0' or '1')
    if counts then
      changed[ring_key] = true
      redis.call('ZADD', partner_key, 'GT', at, partner)
      if not last then redis.call('ZREMRANGEBYRANK', partner_key, 0, -(partner_limit + 1)) end
      redis.call('HSET', seen_key, payment, answer)
      touched[partner_key], touched[seen_key] = partner_seconds, seen_seconds
    end
  end
  answers[i + 1] = answer
end

for key in pairs(changed) do
  redis.call('SET', key, cmsgpack.pack(rings[key]), 'PX', (BUCKETS + 2) * widths[3])
end
for key, seconds in pairs(touched) do
  redis.call('EXPIRE', key, seconds)
end
return answers
