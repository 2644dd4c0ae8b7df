-- One exchange of one member with the ledger of one scope: the reference, `LedgerState` of tower-backoff, in Lua.
--
-- KEYS: the state (a hash), the leases (a sorted set), the members whose lease has ended (a sorted set), and one list
-- per declared window. ARGV: the member, and what it says as flat numbers (`script.rs` packs and reads them).
-- The clock is read once: it advances within a script on Redis 7.0. All numbers are integers below 2^53.
--
-- A run is short, so what it makes costs more than what it calculates. A function is made anew with each run, and so is
-- each variable that it shares with the script: functions are given what they need, and share the names in the next
-- paragraph alone. A window or an account is a place in a list of numbers, and `state[window + SUM]` is one of them.
-- Strings of doubles are read and written three times faster than MessagePack. A name in capitals is a number that
-- `constants.rs` puts in its place.

local call, floor, max, min = redis.call, math.floor, math.max, math.min

local COST, IN_FLIGHT = 0, 2
local DONE, TELL_ALL, LATE = 0, 1, 2
local UNLIMITED, MOST_COUNT = 4503599627370496, 4294967295
local MOST_MEMBERS, MOST_AT_ONCE, MOST_GROUPS = 10000, 64, 64
local RETURN = 1000000
local AT_FIRST, ENOUGH = 64, 4096
local PROBE_PATIENCE, FULL_SPEED, CAP_WINDOWS, RAISES = 2000000, 64, 10, 16
local SAME_RESET, ASK_IN_FLIGHT, ASK_SOON = 1200000, 50000, 100000

-- Of an account: its unit first, and the number of the entries of its log last. They follow: pairs of age and count.
local A_UNIT, A_HELD, A_SETTLED, A_CONFIRMED, A_IN_WINDOW = 1, 2, 3, 4, 5
local A_FIRST, A_NEED, A_EXTRA, A_ENTRIES = 6, 7, 8, 9


-- The field `state`: how many numbers there are before those of the windows, these numbers, and twelve of each window.
-- What a later release adds comes before those of the windows, and is kept.
local HEAD, BEGAN_AT, REMEMBERED = 1, 2, 3
local UNTIL, CAP_WINDOW, CAP, CAP_AT = 4, 5, 6, 7
-- The slow start: how much may be lent (zero: there is none), what was granted since, and when.
local ALLOW, PROBES, GRANTED_AT = 8, 9, 10
-- The published quota, and whether there is none (0), it is current (1), or its reset has passed (2).
local QUOTA, LEFT, RESETS_AT, PERIOD, QUOTA_LIMIT = 11, 12, 13, 14, 15
-- No lease ends, and no member is forgotten, before these; and when the keys expire.
local ENDS_AT, FORGETS_AT, EXPIRES_AT, LEASED = 16, 17, 18, 19
-- Of unit u at + 2 * u.
local LENT, SETTLED = 20, 21
-- Until when members may return that were alone, and how many; what the server said last; and of unit u at + u: until
-- when a member that got nothing goes first.
local RETURNING_UNTIL, RETURNING, REMAINING, STARVED_UNTIL = 26, 27, 28, 29
-- Of unit u at + u: when that member was granted something last.
local STARVED_SINCE = 32
-- How many members of an earlier ledger were heard.
local RETURNED = 35
-- How much had been settled when a published quota was forgotten last.
local COLD_SINCE = 36
-- How often users have opened the scope.
local REOPENED = 37
-- How far the ledger's time is ahead of the clock, and what it was last.
local AHEAD, LATEST = 38, 39
-- When users have opened the scope last, when the youngest closing was heard, and the youngest counter.
local REOPENED_AT, CLOSED_AT, COUNTED_AT = 40, 41, 42
local LAST = COUNTED_AT

-- Of a window: what is declared; its sum; the number of its period, and what was settled in that and in the one before;
-- the last entry, which is written to its list when it does not grow any more (count zero: it is in the list); a moment
-- before which nothing in the list is free; and its limit now, which a refusal may have lowered.
local UNIT, LIMIT, LENGTH, IS_PLAN, SUM = 1, 2, 3, 4, 5
local NUMBER, CURRENT, BEFORE, LAST_AT, LAST_COUNT, FULL_UNTIL, BOUND = 6, 7, 8, 9, 10, 11, 12
local WINDOW_SIZE = 12

-- The fields `m:<member>`: a number each, and four for each unit u, at + 4 * u; then when something was granted last, and
-- which end of the lease is in the sorted set. It may be an eighth of a lease too early; zero: none is there.
local SEQUENCE, LEASED_UNTIL, BOOKED_UNTIL = 1, 2, 3
local M_LENT, M_SETTLED, M_VOID, M_UNHEARD = 4, 5, 6, 7
local SERVED_AT, LISTED_UNTIL = 16, 17


-- Numbers and strings -------------------------------------------------------------------------------------------------

-- The format of so many doubles.
local function doubles(count)
  if count > 80 then return '<' .. string.rep('d', count) end
  local eighty = '<dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd'
  return string.sub(eighty, 1, count + 1)
end

local function numbers_in(packed)
  local count = #packed / 8
  local numbers = { struct.unpack(doubles(count), packed) }
  -- Where the string ends.
  numbers[count + 1] = nil
  return numbers
end

local function packed(numbers) return struct.pack(doubles(#numbers), unpack(numbers)) end

local function in_text(number) return string.format('%.0f', number) end

-- The logs of the windows: pairs of moment and count, oldest first ----------------------------------------------------

local function key_of(state, window) return KEYS[4 + (window - state[HEAD]) / WINDOW_SIZE] end

-- Writes the last entry to the list.
local function write_last(state, window)
  if state[window + LAST_COUNT] == 0 then return end
  local entry = struct.pack('<dd', state[window + LAST_AT], state[window + LAST_COUNT])
  -- The first entry makes the key, which has to expire as the others.
  local length, expires_in = call('RPUSH', key_of(state, window), entry), state[EXPIRES_AT] - state[LATEST]
  if length == 1 and expires_in > 0 then
    call('PEXPIRE', key_of(state, window), in_text(floor(expires_in / 1000) + 1))
  end
  state[window + LAST_COUNT] = 0
end

local function settle(state, windows, unit, settled_at, count)
  if count == 0 then return end
  for index = 1, #windows do
    local window = windows[index]
    local length = state[window + LENGTH]
    if state[window + UNIT] == unit and length > 0 then
      local step = max(1, floor(length / 256))
      local on_grid = floor((settled_at + step - 1) / step) * step
      if on_grid + length > state[LATEST] then
        -- The last one may have been written, and may grow again.
        local is_written = state[window + LAST_COUNT] == 0 and state[window + SUM] > 0
        local last = is_written and call('LINDEX', key_of(state, window), -1)
        local last_at, last_count = 0, 0
        if last then last_at, last_count = struct.unpack('<dd', last) end
        if last_count > 0 and on_grid <= last_at then
          call('LSET', key_of(state, window), -1, struct.pack('<dd', last_at, last_count + count))
        elseif state[window + LAST_COUNT] > 0 and on_grid <= state[window + LAST_AT] then
          state[window + LAST_COUNT] = state[window + LAST_COUNT] + count
        else
          write_last(state, window)
          state[window + LAST_AT], state[window + LAST_COUNT] = on_grid, count
        end
        state[window + SUM], state[window + CURRENT] = state[window + SUM] + count, state[window + CURRENT] + count
      end
    end
  end
end

-- How much is free ----------------------------------------------------------------------------------------------------

-- A plan does not bind while the server publishes its quota.
local function binds(state, window, unit)
  return state[window + UNIT] == unit and not (unit == COST and state[QUOTA] == 1 and state[window + IS_PLAN] == 1)
end

-- The learned limit: after ten windows without a refusal a sixteenth of the declared one is added with each window.
local function cap_in(state, window)
  local raises = floor((state[LATEST] - state[CAP_AT]) / max(1, state[window + LENGTH])) + 1 - CAP_WINDOWS
  return state[CAP] + max(0, min(raises, RAISES)) * floor((state[window + LIMIT] + RAISES - 1) / RAISES)
end

local function free_in(state, window)
  return max(0, state[window + BOUND] - state[window + SUM] - state[LENT + 2 * state[window + UNIT]])
end

-- What may be granted of the published quota. When all is quiet, one call has a look.
local function left(state)
  if state[LENT] == 0 and state[REMAINING] > 0 and state[QUOTA] == 1 then return max(1, state[LEFT]) end
  return state[LEFT]
end

-- How much is free now, and the least limit of a window.
local function free_of(state, windows, unit)
  local free, bound = UNLIMITED, UNLIMITED
  for index = 1, #windows do
    local window = windows[index]
    if binds(state, window, unit) then
      free, bound = min(free, free_in(state, window)), min(bound, state[window + BOUND])
    end
  end
  if unit == COST and state[QUOTA] > 0 then free = min(free, left(state)) end
  return free, bound
end

-- Grants --------------------------------------------------------------------------------------------------------------

-- What each member may hold, if all hold as much of the least limit.
-- Also returns whether not every member can have what its first call needs within one window.
local function equal_share(state, bound, first)
  local share = floor(bound / state[LEASED])
  return bound == UNLIMITED and UNLIMITED or max(1, share), share < first
end

-- Until all members were heard that an earlier ledger had, or a window has passed since then, and while members return
-- that were alone: the share of each in the limits, less what this one has.
local function share_while_unknown(state, windows, said, account, lease)
  local now, unit, share = state[LATEST], said[account + A_UNIT], UNLIMITED
  local is_returning = now < state[RETURNING_UNTIL]
  local members = max(state[REMEMBERED], is_returning and state[RETURNING] or 0, state[LEASED], 1)
  for _, window in ipairs(windows) do
    local has_forgotten = state[RETURNED] < state[REMEMBERED]
      and now < state[BEGAN_AT] + max(state[window + LENGTH], lease)
    if binds(state, window, unit) and (is_returning or has_forgotten) then
      local has = said[account + A_IN_WINDOW] + said[account + A_HELD]
      share = min(share, max(0, floor(state[window + BOUND] / members) - has))
      -- One that was not heard of yet may have had nearly all. Within this time all are that are alive. A newcomer says
      -- nothing about it.
      local is_first_lap = now < state[BEGAN_AT] + floor(lease * 5 / 16)
      if has_forgotten and is_first_lap then share = 0 end
    end
  end
  return share
end

-- What an account may be granted: what is free, the most, the size of a portion, whether that is given in small steps,
-- whether it is a probe, and the least limit of a window.
local function offer(state, windows, said, account, record, lease, limits_rate)
  local unit, first, now, leased = said[account + A_UNIT], said[account + A_FIRST], state[LATEST], state[LEASED]
  local free, bound = free_of(state, windows, unit)
  local limit, most, is_probing, is_cold = bound, UNLIMITED, false, false
  if state[REMEMBERED] > 0 or now < state[RETURNING_UNTIL] then
    most = share_while_unknown(state, windows, said, account, lease)
  end
  if now < state[STARVED_UNTIL + unit] then
    local share, has_fewer = equal_share(state, bound, first)
    most = min(most, max(0, max(share, first) - said[account + A_HELD]))
    -- With fewer places than members they go round: who was served later waits.
    if has_fewer and record[SERVED_AT] > state[STARVED_SINCE + unit] then most = 0 end
  end
  if unit == COST then
    if not limits_rate and state[QUOTA] == 0 then
      -- While no limit is known: 64 to all together, and as much more as was settled since. A dearer call goes alone.
      local settled = max(0, state[SETTLED] - state[COLD_SINCE])
      is_cold = settled < ENOUGH
      local room = max(0, AT_FIRST + settled - state[LENT])
      if state[LENT] == 0 then room = max(room, first) end
      if is_cold then most = min(most, room) end
    end
    if state[ALLOW] > 0 then
      is_probing = true
      local room = max(0, state[ALLOW] - state[LENT])
      local is_silent = state[GRANTED_AT] == 0 or now >= state[GRANTED_AT] + PROBE_PATIENCE
      if is_silent or state[LENT] == 0 then room = max(room, first, 1) end
      most = min(most, room)
    end
    if state[QUOTA] > 0 then limit, most = min(limit, state[QUOTA_LIMIT]), min(most, left(state)) end
  end
  local portion = max(1, first, floor((limit + 8 * leased - 1) / (8 * leased)), floor(free / (2 * leased)))
  return free, most, portion, is_probing or is_cold, is_probing, bound
end

-- Whether the first call needs more than could be granted, free or booked.
local function lacks(state, windows, said, account, record, lease, limits_rate)
  local unit = said[account + A_UNIT]
  local free, most, portion, is_careful = offer(state, windows, said, account, record, lease, limits_rate)
  local wanted = min(said[account + A_NEED], most, portion)
  local granted = min(wanted, free)
  if unit ~= IN_FLIGHT and not is_careful then
    local lent, bookable = state[LENT + 2 * unit], nil
    for _, window in ipairs(windows) do
      if binds(state, window, unit) then
        local bound = state[window + BOUND]
        bookable = min(bookable or UNLIMITED, state[window + SUM] + lent > bound and 0 or bound - lent)
      end
    end
    granted = max(granted, min(wanted, bookable or 0))
  end
  return granted < min(said[account + A_FIRST], said[account + A_NEED])
end

local function lend(state, record, unit, count)
  record[M_LENT + 4 * unit] = record[M_LENT + 4 * unit] + count
  state[LENT + 2 * unit] = state[LENT + 2 * unit] + count
  if unit == COST and state[QUOTA] > 0 then state[LEFT] = max(0, state[LEFT] - count) end
end

-- Takes places out of the oldest entries, lent from when they become free. Adds pairs of a wait and a count.
local function book(state, windows, record, unit, wanted, groups)
  local binding, oldest = {}, {}
  for _, window in ipairs(windows) do
    if binds(state, window, unit) then
      if state[window + SUM] + state[LENT + 2 * unit] > state[window + BOUND] then return end
      write_last(state, window)
      binding[#binding + 1] = window
    end
  end
  if #binding == 0 then return end
  for _ = 1, MOST_GROUPS do
    local count, from, taken_from = wanted, 0, {}
    for _, window in ipairs(binding) do
      local free = free_in(state, window)
      if free > 0 then
        count = min(count, free)
      else
        if state[window + SUM] == 0 then return end
        oldest[window] = oldest[window] or call('LINDEX', key_of(state, window), 0)
        if not oldest[window] then return end
        local settled_at, settled = struct.unpack('<dd', oldest[window])
        count = min(count, settled)
        from = max(from, settled_at + state[window + LENGTH])
        taken_from[#taken_from + 1] = window
      end
    end
    if count == 0 then return end
    for _, window in ipairs(taken_from) do
      local settled_at, settled = struct.unpack('<dd', oldest[window])
      state[window + SUM] = state[window + SUM] - count
      if settled == count then
        call('LPOP', key_of(state, window))
        oldest[window] = nil
      else
        oldest[window] = struct.pack('<dd', settled_at, settled - count)
        call('LSET', key_of(state, window), 0, oldest[window])
      end
    end
    wanted = wanted - count
    lend(state, record, unit, count)
    record[M_UNHEARD + 4 * unit] = record[M_UNHEARD + 4 * unit] + count
    record[BOOKED_UNTIL] = max(record[BOOKED_UNTIL], from)
    local wait, size = max(0, from - state[LATEST]), #groups
    if size > 0 and groups[size - 1] == wait then
      groups[size] = groups[size] + count
    else
      groups[size + 1], groups[size + 2] = wait, count
    end
  end
end

-- Returns pairs of a wait and of how much may be sent after it, and the least limit of a window.
local function grant(state, windows, said, account, record, lease, limits_rate)
  local unit, need, groups = said[account + A_UNIT], said[account + A_NEED], {}
  local free, most, portion, is_careful, is_probing, bound =
    offer(state, windows, said, account, record, lease, limits_rate)
  local wanted = need
  if free > portion and not is_careful then wanted = min(MOST_COUNT, need + said[account + A_EXTRA]) end
  most = min(most, portion)
  local granted = min(wanted, free, most)
  if granted > 0 then
    lend(state, record, unit, granted)
    groups[1], groups[2] = 0, granted
    if is_probing then state[PROBES], state[GRANTED_AT] = state[PROBES] + granted, state[LATEST] end
  end
  local rest = min(need, most) - granted
  if rest > 0 and unit ~= IN_FLIGHT and not is_careful then book(state, windows, record, unit, rest, groups) end
  if #groups > 0 and state[STARVED_UNTIL + unit] > 0 and record[SERVED_AT] <= state[STARVED_SINCE + unit] then
    local _, has_fewer = equal_share(state, bound, said[account + A_FIRST])
    if has_fewer then state[STARVED_UNTIL + unit] = 0 end
  end
  return groups, bound
end

-- When a member should ask again that got nothing of a unit.
local function ask_again_in(state, windows, unit)
  if state[LATEST] < state[UNTIL] then return state[UNTIL] - state[LATEST] end
  local shortest
  for _, window in ipairs(windows) do
    local length = state[window + LENGTH]
    if state[window + UNIT] == unit and length > 0 then shortest = min(shortest or UNLIMITED, length) end
  end
  local soon = unit == IN_FLIGHT and ASK_IN_FLIGHT or shortest and floor(shortest / 8) or ASK_SOON
  if unit == COST and state[ALLOW] > 0 then soon = min(soon, ASK_SOON) end
  if unit == COST and state[QUOTA] == 1 and state[LEFT] == 0 then
    local reset = max(0, state[RESETS_AT] - state[LATEST])
    soon = shortest and min(soon, reset) or reset
  end
  return max(1, soon)
end

-- What is known -------------------------------------------------------------------------------------------------------

local function new_state(ahead, now)
  return { LAST, now, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, UNLIMITED, UNLIMITED, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ahead, now, 0, 0, 0 }
end

local function new_record() return { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } end

-- Nothing is known any more: of a key that was evicted the others are no use.
local function forget(known, windows, members_known)
  call('DEL', unpack(KEYS))
  local state = new_state(known[AHEAD], known[LATEST])
  state[REMEMBERED] = max(1, members_known)
  for index, window in ipairs(windows) do
    windows[index] = LAST + WINDOW_SIZE * (index - 1)
    for number = 1, WINDOW_SIZE do state[windows[index] + number] = number <= IS_PLAN and known[window + number] or 0 end
    state[windows[index] + NUMBER] = known[window + NUMBER]
  end
  return state
end

-- What the member says ------------------------------------------------------------------------------------------------

local me, said = ARGV[1], numbers_in(ARGV[2])
local sequence, last_reply, lease, tells_all, leaves = said[1], said[2], said[3], said[4] == 1, said[5] == 1
local members_known, served, closing, closing_for = said[6], said[7], said[8], said[9]
local has_counter, at = said[10] == 1, 17 + 4 * said[16]
local accounts = {}
for index = 1, said[at] do
  accounts[index] = at
  at = at + A_ENTRIES + 2 * said[at + A_ENTRIES]
end
-- An earlier release says no more, or only the first of these.
local reopens, closing_age, counter_age = said[at + 1] == 1, said[at + 2] or 0, said[at + 3] or 0
local reopened_ago = said[at + 4] or 0

-- What the ledger knows -----------------------------------------------------------------------------------------------

local clock = call('TIME')
local read_at = clock[1] * 1000000 + clock[2]
local my_field = 'm:' .. me
local stored = call('HMGET', KEYS[1], 'state', my_field)

-- What an earlier release has written is shorter.
local state = stored[1] and numbers_in(stored[1]) or new_state(0, read_at)
while state[HEAD] < LAST do
  state[HEAD] = state[HEAD] + 1
  table.insert(state, state[HEAD], 0)
end
local is_known = stored[2] and true or false
local record = is_known and numbers_in(stored[2]) or new_record()
record[SERVED_AT], record[LISTED_UNTIL] = record[SERVED_AT] or 0, record[LISTED_UNTIL] or 0

-- Where the clock was set back, time goes on from where it was.
local now = max(read_at + state[AHEAD], state[LATEST])
local ahead = now - read_at
state[AHEAD], state[LATEST] = ahead, now

-- The places of the windows in the state, and what they have in common.
local windows, longest, limits_rate = {}, 0, false
for index = 1, said[16] do
  local window, declared = state[HEAD] + WINDOW_SIZE * (index - 1), 12 + 4 * index
  windows[index] = window
  for number = UNIT, IS_PLAN do state[window + number] = said[declared + number] end
  if not state[window + SUM] then
    for number = SUM, WINDOW_SIZE do state[window + number] = 0 end
  end
  local length, last_number = state[window + LENGTH], state[window + NUMBER]
  local number = floor(now / max(1, length))
  if number ~= last_number then
    state[window + BEFORE] = number == last_number + 1 and state[window + CURRENT] or 0
    state[window + NUMBER], state[window + CURRENT] = number, 0
  end
  longest = max(longest, length)
  limits_rate = limits_rate or state[window + UNIT] ~= IN_FLIGHT
end

-- What time has brought -----------------------------------------------------------------------------------------------

-- Without the state, what is left of the other keys was evicted, too. It is written first: after a deletion the server
-- would not check any more whether there is memory.
if not stored[1] then
  call('HSET', KEYS[1], 'state', packed(state))
  call('DEL', unpack(KEYS, 2))
end

local done, is_evicted = DONE, false
for index = 1, #windows do
  local window = windows[index]
  local length, last_count = state[window + LENGTH], state[window + LAST_COUNT]
  if length > 0 and now >= state[window + FULL_UNTIL] then
    while state[window + SUM] > last_count do
      local oldest = call('LINDEX', key_of(state, window), 0)
      if not oldest then
        is_evicted = true
        break
      end
      local oldest_at, oldest_count = struct.unpack('<dd', oldest)
      state[window + FULL_UNTIL] = oldest_at + length
      if now < oldest_at + length then break end
      call('LPOP', key_of(state, window))
      state[window + SUM] = max(last_count, state[window + SUM] - oldest_count)
    end
    if now >= state[window + FULL_UNTIL] and last_count > 0 and state[window + LAST_AT] + length <= now then
      state[window + SUM], state[window + LAST_COUNT] = 0, 0
    end
  end
end
if is_evicted then
  state, done = forget(state, windows, members_known), TELL_ALL
end
if state[QUOTA] > 0 and now >= state[RESETS_AT] then
  if now >= state[RESETS_AT] + state[PERIOD] then
    state[QUOTA], state[COLD_SINCE] = 0, state[SETTLED]
  elseif state[QUOTA] == 1 then
    state[QUOTA], state[LEFT] = 2, max(0, state[QUOTA_LIMIT] - state[LENT])
  end
end
if state[CAP] > 0 then
  local window = windows[state[CAP_WINDOW]]
  if not window or cap_in(state, window) >= state[window + LIMIT] then state[CAP] = 0 end
end

if now >= state[ENDS_AT] or now >= state[FORGETS_AT] then
  -- The first moment in a sorted set.
  local function first_in(key)
    local first = call('ZRANGEBYSCORE', key, '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    return tonumber(first[2] or UNLIMITED)
  end

  if now >= state[ENDS_AT] then
    local function end_lease(member)
      local lapsed = record
      if member ~= me then
        local of_member = call('HGET', KEYS[1], 'm:' .. member)
        lapsed = of_member and numbers_in(of_member)
      end
      if lapsed and lapsed[LEASED_UNTIL] > now then
        -- It was renewed.
        lapsed[LISTED_UNTIL] = lapsed[LEASED_UNTIL]
        call('ZADD', KEYS[2], lapsed[LISTED_UNTIL], member)
        if member ~= me then call('HSET', KEYS[1], 'm:' .. member, packed(lapsed)) end
        return
      end
      state[LEASED] = state[LEASED] - call('ZREM', KEYS[2], member)
      if not lapsed then return end
      for unit = 0, 2 do
        local rest = lapsed[M_LENT + 4 * unit]
        if unit ~= IN_FLIGHT then lapsed[M_VOID + 4 * unit] = lapsed[M_VOID + 4 * unit] + rest end
        lapsed[M_LENT + 4 * unit], lapsed[M_UNHEARD + 4 * unit] = 0, 0
        settle(state, windows, unit, now, rest)
        state[LENT + 2 * unit] = max(0, state[LENT + 2 * unit] - rest)
        state[SETTLED + 2 * unit] = state[SETTLED + 2 * unit] + rest
      end
      lapsed[LEASED_UNTIL], lapsed[LISTED_UNTIL] = lapsed[LEASED_UNTIL] + longest + 2 * lease, 0
      call('HSET', KEYS[1], 'm:' .. member, packed(lapsed))
      if call('ZADD', KEYS[3], lapsed[LEASED_UNTIL], member) == 1 then state[EXPIRES_AT] = 0 end
      state[FORGETS_AT] = min(state[FORGETS_AT], lapsed[LEASED_UNTIL])
    end
    local ended = call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, MOST_AT_ONCE)
    for _, member in ipairs(ended) do end_lease(member) end
    state[ENDS_AT] = first_in(KEYS[2])
  end
  if now >= state[FORGETS_AT] then
    for _, member in ipairs(call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, MOST_AT_ONCE)) do
      call('ZREM', KEYS[3], member)
      call('HDEL', KEYS[1], 'm:' .. member)
      if member == me then is_known, record = false, new_record() end
    end
    state[FORGETS_AT] = first_in(KEYS[3])
  end
end

-- Late, unknown, or knowing more than the ledger ----------------------------------------------------------------------

local has_returned, counted_at = false, 0
if is_evicted then
  closing = 0
elseif is_known and sequence <= record[SEQUENCE] then
  done = LATE
elseif not is_known then
  if state[LEASED] + call('ZCARD', KEYS[3]) >= MOST_MEMBERS then
    done = LATE
  else
    has_returned = members_known > 1
    for _, account in ipairs(accounts) do
      has_returned = has_returned or said[account + A_SETTLED] > 0 or said[account + A_CONFIRMED] > 0
    end
    if has_returned then state[REMEMBERED] = max(state[REMEMBERED], members_known, 1) end
  end
end
if done == LATE then closing = 0 end
if done == DONE and (reopens or closing > 0 or has_counter) then
  -- By a clock by which no less time passes than by any other, however often the clock was set back.
  local function heard_at(age) return max(0, now + ahead - age) end
  -- A user says that the server serves again: what refusals and counters have taught is wrong. A member that was alone,
  -- or heard no reply, says it late: what was heard since the user did it stands.
  if reopens then
    local reopened_at = heard_at(reopened_ago)
    if state[CLOSED_AT] <= reopened_at then
      state[UNTIL], state[CAP], state[ALLOW], state[PROBES], state[GRANTED_AT] = 0, 0, 1, 0, 0
    end
    if state[QUOTA] > 0 and state[COUNTED_AT] <= reopened_at then
      state[QUOTA], state[COLD_SINCE] = 0, state[SETTLED]
    end
    state[REOPENED], state[REOPENED_AT] = state[REOPENED] + 1, max(state[REOPENED_AT], reopened_at)
  end
  -- What a member has heard before that, and says only now, is not noted.
  if closing > 0 and heard_at(closing_age) < state[REOPENED_AT] then closing = 0 end
  if closing > 0 then state[CLOSED_AT] = max(state[CLOSED_AT], heard_at(closing_age)) end
  counted_at = heard_at(counter_age)
  has_counter = has_counter and counted_at >= state[REOPENED_AT]
end
if done == DONE and not tells_all then
  for index = 1, #accounts do
    local account = accounts[index]
    if record[M_SETTLED + 4 * said[account + A_UNIT]] < said[account + A_CONFIRMED] then done = TELL_ALL end
  end
end

-- What it holds and has settled ---------------------------------------------------------------------------------------

if done == DONE then
  -- What the others have sent meanwhile is not known until they have told it.
  if tells_all then state[RETURNING_UNTIL], state[RETURNING] = now + RETURN, members_known end
  if has_returned then state[RETURNED] = state[RETURNED] + 1 end

  local was_here = record[SEQUENCE] > 0
  local has_heard = last_reply >= record[SEQUENCE] or now >= record[BOOKED_UNTIL]
  for index = 1, #accounts do
    local account = accounts[index]
    local unit, held, settled = said[account + A_UNIT], said[account + A_HELD], said[account + A_SETTLED]
    local of_member, of_all = 4 * unit, 2 * unit
    if has_heard then record[M_UNHEARD + of_member] = 0 end
    local newly = max(0, settled - record[M_SETTLED + of_member])
    record[M_SETTLED + of_member] = max(record[M_SETTLED + of_member], settled)
    local void = record[M_VOID + of_member]
    local covered = min(newly, void)
    newly, void = newly - covered, void - covered

    local counted = 0
    local first = account + A_ENTRIES + 1
    local last = account + A_ENTRIES + 2 * said[account + A_ENTRIES]
    if last > first then
      for index = first, last, 2 do counted = counted + said[index + 1] end
      local known = max(0, counted - newly)
      counted = counted - known
      for index = first, last, 2 do
        local was_known = min(known, said[index + 1])
        known = known - was_known
        settle(state, windows, unit, max(0, now - said[index]), said[index + 1] - was_known)
      end
    end
    state[SETTLED + of_all] = state[SETTLED + of_all] + (was_here and newly or counted)

    local before = record[M_LENT + of_member]
    void = min(void, held)
    local after = held - void
    record[M_VOID + of_member], record[M_LENT + of_member] = void, after
    local returned = max(0, before - after - newly)
    local lost = min(returned, record[M_UNHEARD + of_member])
    if lost > 0 then
      record[M_UNHEARD + of_member] = record[M_UNHEARD + of_member] - lost
      settle(state, windows, unit, now, lost)
    end
    state[LENT + of_all] = max(0, state[LENT + of_all] + after - before)
    if unit == COST and state[QUOTA] > 0 then state[LEFT] = min(state[QUOTA_LIMIT], state[LEFT] + returned) end
  end
  record[SEQUENCE], record[LEASED_UNTIL] = sequence, now + lease

  if served > 0 and state[ALLOW] > 0 and now >= state[UNTIL] then
    local credit = min(served, state[PROBES])
    state[ALLOW], state[PROBES] = state[ALLOW] + credit, state[PROBES] - credit
    if credit > 0 and state[ALLOW] >= (state[CAP] > 0 and state[CAP] or FULL_SPEED) then state[ALLOW] = 0 end
  end
  if has_counter then
    state[COUNTED_AT] = max(state[COUNTED_AT], counted_at)
    local limit, remaining, resets_in, settled_then, cost = said[11], said[12], said[13], said[14], said[15]
    local resets_at = now + resets_in
    local is_any = state[QUOTA] > 0
    local is_older = is_any and resets_at + SAME_RESET < state[RESETS_AT]
    local is_same = is_any and not is_older and resets_at <= state[RESETS_AT] + SAME_RESET
    local is_current = state[QUOTA] == 1
    if is_any and not is_older and limit == state[QUOTA_LIMIT] and (is_same or not is_current) then
      if not is_same or is_current then
        if settled_then > state[SETTLED] then settled_then = 0 end
        local outstanding = max(0, max(0, state[LENT] + state[SETTLED] - settled_then) - cost)
        state[LEFT] = min(max(state[LEFT], max(0, remaining - outstanding)), remaining)
        state[RESETS_AT] = is_same and min(state[RESETS_AT], resets_at) or resets_at
        state[QUOTA], state[PERIOD], state[REMAINING] = 1, max(state[PERIOD], resets_in), remaining
      end
    elseif not is_older then
      state[QUOTA], state[QUOTA_LIMIT], state[LEFT] = 1, limit, max(0, remaining - state[LENT])
      state[RESETS_AT], state[PERIOD], state[REMAINING] = resets_at, resets_in, remaining
    end
  end
end

-- Closings and probes -------------------------------------------------------------------------------------------------

if closing == 2 and now >= state[UNTIL] then
  if state[CAP] > 0 and state[ALLOW] == 1 then
    state[CAP_AT] = now
  else
    -- What the fleet had of its fullest window.
    local most
    state[CAP] = 0
    for index, window in ipairs(windows) do
      if state[window + UNIT] == COST and state[window + LENGTH] > 0 then
        local had = max(state[window + SUM] + floor(state[LENT] / 2), state[window + CURRENT], state[window + BEFORE])
        local full = floor(min(had, 4294967296) * 1000 / max(1, state[window + LIMIT]))
        if not most or full > most then
          most = full
          state[CAP_WINDOW], state[CAP], state[CAP_AT] = index, max(1, had), now
        end
      end
    end
  end
  state[ALLOW], state[PROBES], state[GRANTED_AT] = 1, 0, 0
end
if closing > 0 and now + closing_for > state[UNTIL] then
  state[UNTIL] = now + closing_for
  call('PUBLISH', string.sub(KEYS[1], 1, -2) .. 'c', in_text(closing_for))
end

-- Its lease -----------------------------------------------------------------------------------------------------------

if done == DONE and leaves then
  for unit = 0, 2 do
    local rest = record[M_LENT + 4 * unit]
    settle(state, windows, unit, now, rest)
    state[LENT + 2 * unit] = max(0, state[LENT + 2 * unit] - rest)
    state[SETTLED + 2 * unit] = state[SETTLED + 2 * unit] + rest
  end
  state[LEASED] = state[LEASED] - call('ZREM', KEYS[2], me)
  call('ZREM', KEYS[3], me)
  call('HDEL', KEYS[1], my_field)
elseif done == DONE then
  -- A lease that is not there, of a member that is known and has not lapsed, was evicted.
  local renewed_by = record[LEASED_UNTIL] - record[LISTED_UNTIL]
  if renewed_by < 0 or renewed_by >= lease / 8 then
    record[LISTED_UNTIL] = record[LEASED_UNTIL]
    local is_new = call('ZADD', KEYS[2], record[LISTED_UNTIL], me) == 1
    if is_new and call('ZREM', KEYS[3], me) == 0 and is_known then
      state, done = forget(state, windows, members_known), TELL_ALL
    else
      state[LEASED] = state[LEASED] + (is_new and 1 or 0)
      state[ENDS_AT] = min(state[ENDS_AT], record[LISTED_UNTIL])
    end
  end
end

-- What it is granted --------------------------------------------------------------------------------------------------

for index = 1, #windows do
  local window = windows[index]
  state[window + BOUND] = state[window + LIMIT]
  if state[CAP] > 0 and state[CAP_WINDOW] == index then
    local first = 0
    for _, account in ipairs(accounts) do
      if said[account + A_UNIT] == state[window + UNIT] then first = said[account + A_FIRST] end
    end
    -- A call that is dearer than the learned limit goes when the window is empty.
    state[window + BOUND] = min(state[window + LIMIT], max(cap_in(state, window), first))
  end
end

local is_leased = done == DONE and not leaves
local grants, ask, lacking = {}, UNLIMITED, {}
if is_leased then
  local is_closed, has_served = now < state[UNTIL], false
  -- All accounts are served, or none if the first call could not be sent yet. Of a single place there is no part.
  local is_held_back = is_closed
  if not is_closed and (#accounts > 1 or said[accounts[1] + A_FIRST] > 1) then
    for index, account in ipairs(accounts) do
      lacking[index] = said[account + A_NEED] > 0
        and lacks(state, windows, said, account, record, lease, limits_rate)
      is_held_back = is_held_back or lacking[index]
    end
  end
  for index = 1, #accounts do
    local account = accounts[index]
    local unit, need, is_granted, bound = said[account + A_UNIT], said[account + A_NEED], false, nil
    if need + said[account + A_EXTRA] > 0 and not is_held_back then
      grants[index], bound = grant(state, windows, said, account, record, lease, limits_rate)
      is_granted = #grants[index] > 0
      has_served = has_served or is_granted
    end
    if not is_granted and need > 0 and (is_closed or not is_held_back or lacking[index]) then
      local again = ask_again_in(state, windows, unit)
      ask = min(ask, again)
      -- A member that has less than its share got nothing: until it asks again, it goes before those that have more.
      local is_open = not is_closed and state[ALLOW] == 0
      local is_first = now >= state[STARVED_UNTIL + unit] or record[SERVED_AT] <= state[STARVED_SINCE + unit]
      if is_open and is_first then
        if not bound then bound = select(2, free_of(state, windows, unit)) end
        if said[account + A_HELD] < equal_share(state, bound, 0) then
          state[STARVED_UNTIL + unit], state[STARVED_SINCE + unit] = now + 2 * again, record[SERVED_AT]
        end
      end
    end
  end
  if has_served then record[SERVED_AT] = now end
end

-- What is written and replied -----------------------------------------------------------------------------------------

-- The keys expire some time after the last exchange, which is not set each time.
local last = max(longest, state[UNTIL] - now)
if state[QUOTA] > 0 then last = max(last, state[RESETS_AT] + state[PERIOD] - now) end
last = last + 2 * lease
local expires_in
if now + last > state[EXPIRES_AT] then
  expires_in = last + floor(last / 4)
  state[EXPIRES_AT] = now + expires_in
end
if is_leased then
  call('HSET', KEYS[1], 'state', packed(state), my_field, packed(record))
else
  call('HSET', KEYS[1], 'state', packed(state))
end
if expires_in then
  for _, key in ipairs(KEYS) do call('PEXPIRE', key, in_text(floor(expires_in / 1000) + 1)) end
end

local reply = {
  done, read_at, max(0, state[UNTIL] - now), state[LEASED], state[SETTLED],
  min((free_of(state, windows, COST)), MOST_COUNT), ask % UNLIMITED, state[QUOTA] == 1 and 1 or 0,
}
local size = 8
for index = 1, #accounts do
  local groups = grants[index]
  size = size + 1
  reply[size] = groups and #groups / 2 or 0
  for number = 1, groups and #groups or 0 do
    size = size + 1
    reply[size] = groups[number]
  end
end
-- What a member of an earlier release does not read.
size = size + 1
reply[size] = state[REOPENED]
for index = 1, #windows do
  local free = free_in(state, windows[index])
  local is_published = state[windows[index] + UNIT] == COST and state[QUOTA] > 0
  reply[size + index] = is_published and min(free, left(state)) or free
end
return reply
