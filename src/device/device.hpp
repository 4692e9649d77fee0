// SPDX-License-Identifier: Apache-2.0
// Where stages compute. A device has one capped pool, streams that run work in order, events that order streams, and
// one function through which every byte crosses between host and device memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/semaphore.hpp"
#include "device/ledger.hpp"
#include "device/memory.hpp"
#include "device/sharing.hpp"
#include "device/transfer_counter.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

[[nodiscard]] std::string_view name(device_kind kind) noexcept;

class device;
class worker_pool;

// A point in a stream's work. Reusable: each record replaces the one before. Thread-safe.
class event {
public:
    virtual ~event() = default;
    // True when all work before the last record is done, or nothing was recorded. Does not synchronise.
    [[nodiscard]] virtual bool done() const noexcept = 0;
};

// Work that a stream captured, to be launched again and again: on cuda one launch in place of dozens. Goes before its stream, and
// after its last launch is done.
class graph {
public:
    virtual ~graph() = default;
};

// Work in order. One thread at a time may add tasks and transfers to a stream; record and wait are for any thread. Destroying
// a stream waits for its work; it must go before its device, and not from one of its own tasks.
class stream {
public:
    // Runs in stream order with the device's memory mapped. Only where device::computes_on_host(). An exception that leaves
    // it is an error like any other.
    using task = std::function<result<void>()>;

    virtual ~stream() = default;
    [[nodiscard]] virtual device& owner() const noexcept = 0;
    [[nodiscard]] virtual const std::string& label() const noexcept = 0;

    // Adds work; returns at once. A task or transfer that fails makes the stream skip the tasks and transfers that follow
    // until the next synchronise, which returns that error. Events recorded on a failed stream are still reached.
    virtual void run(task work) = 0;

    // For a library that adds work to the stream by itself: calls `adds` on the calling thread and at once, unless the stream
    // has failed; its error becomes the stream's. Where kernels are host functions it is run().
    virtual void enqueue(task adds) { run(std::move(adds)); }

    // Calls `adds` on the calling thread and at once, and captures what that adds to this stream by run, by enqueue, by transfer or
    // through a library, in place of running it. Events, signals and waits are not for `adds`, spans are. Transfers are of
    // pinned memory alone, and enter the ledger when they are launched. errc::unsupported where there are no graphs (cpu), or for
    // work that cannot be repeated, such as a host function; errc::interrupted when the stream has failed before; else the
    // error of `adds`. What other threads record on the stream meanwhile is not captured, but may wait for the capture to
    // end. Does not synchronise.
    [[nodiscard]] virtual result<std::unique_ptr<graph>> capture(const task& adds);
    // Adds what was captured from this stream, as it was captured. An error of the stream where transfers are in it: only the next
    // one counts them.
    virtual void launch(graph& captured);
    // The same with what is different now: calls `adds` on the calling thread and at once, which adds the same work in the same
    // order, but tasks (of the stages, by vision::kernels) with other arguments, and transfers of other sizes and addresses. Work
    // of libraries, and what a model runs, stays as it was captured.
    virtual void launch(graph& captured, const task& adds);
    // True within `adds` of capture, for the thread that called it.
    [[nodiscard]] virtual bool capturing() const noexcept { return false; }
    // True within `adds` of launch on cuda: work that stays as it was captured need not be added.
    [[nodiscard]] virtual bool relaunching() const noexcept { return false; }

    // Times the work that is added between the two calls, as the device runs it: `told` is called once both ends are
    // known, from the work itself where kernels are host functions, else by a later begin_span or synchronise, and never for
    // work that was skipped. One span at a time; by the thread that adds the work. Does not synchronise.
    using span_callback =
        std::function<void(std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end)>;
    virtual void begin_span();
    virtual void end_span(span_callback told);

    // What libraries know the stream by (a cudaStream_t); null where kernels are host functions.
    [[nodiscard]] virtual void* handle() const noexcept { return nullptr; }

    // `e` marks the work added so far, and no longer what it marked before: who waited for that still waits for that.
    virtual void record(event& e) = 0;
    // Later work on this stream waits for what `e` marks now, on whatever stream of this device; nothing when `e` was never
    // recorded. The host does not wait.
    virtual void wait(const event& e) = 0;

    // The same across processes. When this stream reaches this point, failed or not, raises `t` to `value` and wakes who
    // waits; `value` is at most semaphore_end. On cuda the GPU stores the value, whatever was there: a word has one such stream
    // at a time, which signals growing values. The word outlives the work.
    virtual void signal(semaphore& t, std::uint64_t value) = 0;
    // Later work on this stream waits until `t` has reached `value`, for as long as that takes: of a process that died,
    // somebody else raises the word. The host does not wait, except on cpu, where work runs on the calling thread.
    // On cuda a word outside of register_semaphores is an error of the stream.
    virtual void wait(const semaphore& t, std::uint64_t value) = 0;

    // The first error since the last call, if any. Called by synchronise once the work is done.
    [[nodiscard]] virtual result<void> take_error() = 0;

private:
    std::chrono::steady_clock::time_point span_began_;  // touched by the stream's tasks alone
};

// One host address range for staging; `pinned` when the device can copy from it without a detour.
struct host_block {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    bool pinned = false;
};

class device {
public:
    virtual ~device() = default;

    [[nodiscard]] virtual device_kind kind() const noexcept = 0;
    [[nodiscard]] virtual int index() const noexcept = 0;
    [[nodiscard]] virtual const std::string& description() const noexcept = 0;
    // Where the device is on the machine's PCI bus, such as "0000:3B:00.0"; empty for one that is not there.
    [[nodiscard]] virtual std::string bus_id() const { return {}; }

    // The machine code that it runs, as "sm_90"; empty where that is the host's.
    [[nodiscard]] virtual std::string architecture() const { return {}; }
    // True when kernels are host functions given to stream::run (cpu, emulated).
    [[nodiscard]] virtual bool computes_on_host() const noexcept = 0;
    // True when the host may read device addresses: a frame then needs no upload and results no download.
    [[nodiscard]] virtual bool shares_host_memory() const noexcept = 0;
    // The address at which a host function that runs as a kernel reaches `device_address`. Only where computes_on_host().
    [[nodiscard]] virtual std::byte* kernel_address(std::byte* device_address) const noexcept = 0;

    // Threads that help host functions which run as kernels; null where kernels run elsewhere, or as they would elsewhere (emulated).
    [[nodiscard]] virtual worker_pool* helpers() noexcept { return nullptr; }

    [[nodiscard]] virtual result<std::unique_ptr<stream>> make_stream(std::string label) = 0;
    [[nodiscard]] virtual result<std::unique_ptr<event>> make_event() = 0;

    // The one pool; nothing on the device is allocated outside of it. Thread-safe.
    [[nodiscard]] virtual capped_resource& pool() noexcept = 0;

    // Host memory for staging, page-locked when `pinned`. Freed with release_host; not meant for the per-frame path.
    [[nodiscard]] virtual result<host_block> allocate_host(std::size_t bytes, bool pinned) = 0;
    virtual void release_host(const host_block& block) noexcept = 0;

    // What another process needs to reach `bytes` of an allocation of the pool, from its start, in place; valid until that
    // is deallocated. errc::unsupported where memory cannot be shared: on cpu allocations under 64 KiB, on cuda a device
    // without descriptors. errc::invalid_argument for memory that is not the pool's. Thread-safe.
    [[nodiscard]] virtual result<memory_export> export_memory(std::byte* memory, std::size_t bytes) = 0;
    // Maps what another process exported, from a device of the same kind and, on cuda, the same card; the export is not
    // needed afterwards. `access::read_only` makes a write a fault on cpu and an error of the stream on emulated; CUDA knows
    // no read-only imports. errc::invalid_argument for another kind, errc::corrupt for an export that is none, or does not
    // lie in its memory. Not meant for the per-frame path. Thread-safe.
    [[nodiscard]] virtual result<std::unique_ptr<memory_import>> import_memory(const memory_export& from,
                                                                               access wanted) = 0;

    // Makes the semaphores in these whole pages of host memory ones that streams of this device can signal and wait for. Pairs
    // with unregister_semaphores, after the last work that uses them. Nothing to do on cpu and emulated.
    [[nodiscard]] virtual result<void> register_semaphores(std::span<std::byte> pages) = 0;
    virtual void unregister_semaphores(std::span<std::byte> pages) noexcept = 0;

    [[nodiscard]] virtual ledger& book() noexcept = 0;
    // Somebody who counts from now on what crosses, without the ledger: on cuda the driver (CUPTI; earlier work is waited for),
    // on emulated the copy engines. Null where nothing crosses. errc::unavailable when nobody can be had, with what is missing.
    [[nodiscard]] virtual result<std::unique_ptr<transfer_counter>> make_transfer_counter() {
        return std::unique_ptr<transfer_counter>();
    }

protected:
    friend result<void> transfer(stream&, direction, std::byte*, const host_block&, std::size_t, const tag&);
    friend void bring_constants(stream&, std::byte*, std::span<const std::byte>);
    friend result<void> synchronise(stream&, event&, const tag&);
    friend result<void> wait_until_done(device&, event&, const tag&);
    virtual void copy(stream& s, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes) = 0;
    [[nodiscard]] virtual result<void> wait_on_host(event& e) = 0;
};

// Copies `bytes` between `device_memory` and `host`, in the order of stream `s`, and enters it in the ledger: the only
// way across. From pinned memory it returns at once, and `host` must stay untouched until the work before a later event is
// done. Pageable memory takes the detour that a driver takes: up, it returns once the bytes are staged; down, it returns
// once the bytes have arrived, which is a host sync in the ledger. errc::internal when the host block is too small.
[[nodiscard]] result<void> transfer(stream& s, direction d, std::byte* device_memory, const host_block& host,
                                    std::size_t bytes, const tag& t);

// Copies what stays for as long as the device, such as weights: of no frame, so not in the ledger. Pageable, and so it returns
// once the bytes are staged.
void bring_constants(stream& s, std::byte* device_memory, std::span<const std::byte> bytes);

// Records `e` on the stream and blocks the calling thread until everything before it is done: one host sync in the
// ledger. Returns the first error of the stream's work since the last call.
[[nodiscard]] result<void> synchronise(stream& s, event& e, const tag& t);

// Blocks the calling thread until what `e`, an event of `owner`, marks is done: one host sync in the ledger, none when it
// was done already. The errors of the event's stream stay where they are.
[[nodiscard]] result<void> wait_until_done(device& owner, event& e, const tag& t);

// For implementations of device::import_memory: errc::invalid_argument when `from` is another kind's, or has no descriptor.
[[nodiscard]] result<void> require_kind(const memory_export& from, device_kind own);

// Runs a task; for implementations of stream::run.
[[nodiscard]] result<void> attempt(const stream::task& work) noexcept;

}  // namespace faceflow
