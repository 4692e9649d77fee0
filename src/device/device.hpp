// SPDX-License-Identifier: Apache-2.0
// The device on which stages compute: one capped pool, streams that run work in order, events that order streams, and
// transfer(), the only way for bytes to cross between host and device memory.
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

namespace faceflow::internal {

[[nodiscard]] std::string_view name(device_kind kind) noexcept;

class device;
class worker_pool;

// A point in a stream's work. Reusable: each record replaces the one before. Thread-safe.
class event {
public:
    virtual ~event() = default;
    // True when all work before the last record is done, or when nothing was recorded. Does not synchronise.
    [[nodiscard]] virtual bool done() const noexcept = 0;
};

// Work that a stream captured, to be launched repeatedly: on cuda, one launch in place of dozens. Destroy it before its
// stream and after its last launch is done.
class graph {
public:
    virtual ~graph() = default;
};

// Work in order. One thread at a time may add tasks and transfers; any thread may call record and wait. Destroying a
// stream waits for its work; destroy it before its device, and never from one of its own tasks.
class stream {
public:
    // Runs in stream order with the device's memory mapped. Only if device::computes_on_host(). An exception that it
    // throws becomes an error of the stream.
    using task = std::function<result<void>()>;

    virtual ~stream() = default;
    [[nodiscard]] virtual device& owner() const noexcept = 0;
    [[nodiscard]] virtual const std::string& label() const noexcept = 0;

    // Adds work; returns at once. After a task or transfer fails, the stream skips later tasks and transfers until the
    // next synchronise, which returns that error. Events recorded on a failed stream are still reached.
    virtual void run(task work) = 0;

    // For libraries that add work to the stream themselves: calls `adds` at once on the calling thread, unless the
    // stream has failed; an error of `adds` becomes the stream's. Where kernels are host functions, the same as run().
    virtual void enqueue(task adds) { run(std::move(adds)); }

    // Calls `adds` at once on the calling thread and captures the work that it adds to this stream (by run, enqueue,
    // transfer or a library) instead of running it. `adds` may use spans, but no events, signals or waits. Transfers
    // must be of pinned memory; the ledger counts them at each launch. errc::unsupported where there are no graphs
    // (cpu) and for work that cannot be repeated, such as a host function; errc::interrupted if the stream has already
    // failed; else the error of `adds`. Records of other threads on this stream are not captured, but may wait until
    // the capture ends. Does not synchronise.
    [[nodiscard]] virtual result<std::unique_ptr<graph>> capture(const task& adds);
    // Adds the captured work unchanged; it must have been captured from this stream. If it contains transfers, this is
    // an error of the stream: only the overload below counts them in the ledger.
    virtual void launch(graph& captured);
    // Adds the captured work with new arguments: calls `adds` at once on the calling thread. `adds` must add the same
    // work in the same order, but tasks (of the stages, through vision::kernels) may take other arguments, and
    // transfers other sizes and addresses. The work of libraries and of models stays as it was captured.
    virtual void launch(graph& captured, const task& adds);
    // True inside `adds` of capture, for the thread that called it.
    [[nodiscard]] virtual bool capturing() const noexcept { return false; }
    // True inside `adds` of launch on cuda: work that stays as captured need not be added.
    [[nodiscard]] virtual bool relaunching() const noexcept { return false; }

    // Measures how long the device takes for the work added between the two calls. `told` is called once both ends are
    // known: from the work itself where kernels are host functions, else from a later begin_span or synchronise. It is
    // never called for work that was skipped. One span at a time, on the thread that adds the work. Does not
    // synchronise.
    using span_callback =
        std::function<void(std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end)>;
    virtual void begin_span();
    virtual void end_span(span_callback told);

    // The native handle for libraries (a cudaStream_t); null where kernels are host functions.
    [[nodiscard]] virtual void* handle() const noexcept { return nullptr; }

    // `e` now marks the work added so far and no longer what it marked before; waits on the earlier mark are
    // unaffected.
    virtual void record(event& e) = 0;
    // Later work on this stream waits for the work that `e` marks now, on any stream of this device; no wait if `e` was
    // never recorded. Does not block the host.
    virtual void wait(const event& e) = 0;

    // Signals across processes. When this stream reaches this point, even if it has failed, raises `t` to `value` and
    // wakes its waiters; `value` is at most semaphore_end. On cuda the GPU stores the value whatever was there before,
    // so a semaphore has one signalling stream at a time, and that stream signals growing values. The semaphore
    // outlives the work.
    virtual void signal(semaphore& t, std::uint64_t value) = 0;
    // Later work on this stream waits until `t` has reached `value`, without a timeout: if the signalling process dies,
    // another process must raise the semaphore. Does not block the host, except on cpu, where work runs on the calling
    // thread. On cuda, a semaphore outside of register_semaphores is an error of the stream.
    virtual void wait(const semaphore& t, std::uint64_t value) = 0;

    // The first error since the last call, if any. Called by synchronise once the work is done.
    [[nodiscard]] virtual result<void> take_error() = 0;

private:
    std::chrono::steady_clock::time_point span_began_;  // accessed only by the stream's tasks
};

// A host address range for staging; `pinned` if the device can copy from it directly.
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
    // The PCI address, such as "0000:3B:00.0"; empty for a device that is not on the bus.
    [[nodiscard]] virtual std::string bus_id() const { return {}; }

    // The machine code that the device runs, such as "sm_90"; empty if it is the host's.
    [[nodiscard]] virtual std::string architecture() const { return {}; }
    // True when kernels are host functions given to stream::run (cpu, emulated).
    [[nodiscard]] virtual bool computes_on_host() const noexcept = 0;
    // True when the host may read device addresses: a frame then needs no upload and results no download.
    [[nodiscard]] virtual bool shares_host_memory() const noexcept = 0;
    // The address through which a host function that runs as a kernel accesses `device_address`. Only if
    // computes_on_host().
    [[nodiscard]] virtual std::byte* kernel_address(std::byte* device_address) const noexcept = 0;

    // Worker threads for host functions that run as kernels; null where kernels do not run on the host, and on
    // emulated, whose kernels run as on a GPU.
    [[nodiscard]] virtual worker_pool* helpers() noexcept { return nullptr; }

    [[nodiscard]] virtual result<std::unique_ptr<stream>> make_stream(std::string label) = 0;
    [[nodiscard]] virtual result<std::unique_ptr<event>> make_event() = 0;

    // The only pool: every allocation on the device comes from it. Thread-safe.
    [[nodiscard]] virtual capped_resource& pool() noexcept = 0;

    // Host memory for staging, page-locked if `pinned`. Free it with release_host. Too slow for the per-frame path.
    [[nodiscard]] virtual result<host_block> allocate_host(std::size_t bytes, bool pinned) = 0;
    virtual void release_host(const host_block& block) noexcept = 0;

    // What another process needs to access the first `bytes` of a pool allocation in place; valid until the allocation
    // is freed. errc::unsupported where memory cannot be shared: on cpu, allocations under 64 KiB; on cuda, a device
    // that cannot export descriptors. errc::invalid_argument for memory outside the pool. Thread-safe.
    [[nodiscard]] virtual result<memory_export> export_memory(std::byte* memory, std::size_t bytes) = 0;
    // Maps an export of another process, from a device of the same kind and, on cuda, the same card; the export is not
    // needed afterwards. `access::read_only` makes a write fault on cpu and fail the stream on emulated; CUDA has no
    // read-only imports. errc::invalid_argument for another kind of device, errc::corrupt for an invalid export or one
    // outside its memory. Too slow for the per-frame path. Thread-safe.
    [[nodiscard]] virtual result<std::unique_ptr<memory_import>> import_memory(const memory_export& from,
                                                                               access wanted) = 0;

    // Whether a mapping for access::read_only keeps the other process from writing.
    [[nodiscard]] virtual bool imports_read_only() const noexcept { return true; }

    // Lets this device's streams signal and wait for the semaphores in these whole pages of host memory. Call
    // unregister_semaphores after the last work that uses them. Does nothing on cpu and emulated.
    [[nodiscard]] virtual result<void> register_semaphores(std::span<std::byte> pages) = 0;
    virtual void unregister_semaphores(std::span<std::byte> pages) noexcept = 0;

    [[nodiscard]] virtual ledger& book() noexcept = 0;
    // An independent counter of transfers from now on, to check the ledger: on cuda the driver's (CUPTI; waits for
    // earlier work first), on emulated the copy engines'. Null where nothing is transferred. errc::unavailable if there
    // is no such counter; the message says what is missing.
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

// Copies `bytes` between `device_memory` and `host`, in order on stream `s`, and records it in the ledger: the only way
// to cross. With pinned memory it returns at once, and `host` must stay unchanged until the copy is done. Pageable
// memory is staged, as by a driver: host to device, it returns once the bytes are staged; device to host, once they
// have arrived, which the ledger counts as a host sync. errc::internal if the host block is too small.
[[nodiscard]] result<void> transfer(stream& s, direction d, std::byte* device_memory, const host_block& host,
                                    std::size_t bytes, const tag& t);

// Uploads constants such as weights, which live as long as the device. They belong to no frame, so the ledger does not
// count them. From pageable memory: returns once the bytes are staged.
void bring_constants(stream& s, std::byte* device_memory, std::span<const std::byte> bytes);

// Records `e` on the stream and blocks the calling thread until all work before it is done; the ledger counts one host
// sync. Returns the first error of the stream's work since the last call.
[[nodiscard]] result<void> synchronise(stream& s, event& e, const tag& t);

// Blocks the calling thread until the work that `e`, an event of `owner`, marks is done. The ledger counts one host
// sync, or none if it was already done. Leaves the errors of the event's stream in place.
[[nodiscard]] result<void> wait_until_done(device& owner, event& e, const tag& t);

// For implementations of device::import_memory: errc::invalid_argument if `from` is of another kind or has no
// descriptor.
[[nodiscard]] result<void> require_kind(const memory_export& from, device_kind own);

// Runs a task and turns exceptions into errors; for implementations of stream::run.
[[nodiscard]] result<void> attempt(const stream::task& work) noexcept;

}  // namespace faceflow::internal
