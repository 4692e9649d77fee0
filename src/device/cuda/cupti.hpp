// SPDX-License-Identifier: Apache-2.0
// CUPTI: the driver's own record of copies and waits. Loaded at run time; private to src/device/cuda.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "device/transfer_counter.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal {

// From construction on, records the copies of all devices of this process and the waits of all its threads. Each copy
// between host and device by cudaMemcpy and its variants counts once, however it was issued (by a library, or as a node
// of a graph). Waits are runtime calls that wait for an event, a stream or a context. A library's direct driver calls
// do not count: FFmpeg's decoder waits about twice a frame, on its source's thread. CUPTI supports one recorder per
// process, and its callbacks carry no argument: they find the recorder through a static pointer, and open() returns the
// existing one. Thread-safe.
class cupti {
public:
    // The names and paths tried in turn by default.
    [[nodiscard]] static std::vector<std::string> usual_libraries();
    // errc::unavailable: none of the libraries is found (the message names what to install), or CUPTI does not start
    // (the message says why).
    [[nodiscard]] static result<std::shared_ptr<cupti>> open(
        std::span<const std::string> libraries = usual_libraries());
    ~cupti();
    cupti(const cupti&) = delete;
    cupti& operator=(const cupti&) = delete;

    // CUPTI's id of a context, which identifies the waits for it.
    [[nodiscard]] result<std::uint32_t> id_of(CUcontext context) const;
    // The counts of a device and its context so far, without work that the device has not done yet. Records that CUPTI
    // dropped count as unknown for every device.
    [[nodiscard]] transfer_totals seen(std::uint32_t device, std::uint32_t context);

private:
    struct functions;
    explicit cupti(std::unique_ptr<functions> f);
    [[nodiscard]] result<void> start();
    [[nodiscard]] error failed(const char* call, int status) const;
    void read(std::uint8_t* buffer, std::size_t bytes);
    void waited(std::uint32_t call, std::uint32_t context);
    void called(std::uint32_t call, std::uint32_t function);
    void count_dropped();

    // CUPTI's callbacks.
    static void on_buffer_wanted(std::uint8_t** buffer, std::size_t* bytes, std::size_t* max_records);
    static void on_buffer_full(CUcontext, std::uint32_t stream, std::uint8_t* buffer, std::size_t size,
                               std::size_t valid);

    const std::unique_ptr<functions> call_;
    bool recording_ = false;
    std::mutex mutex_;
    std::map<std::uint32_t, transfer_totals> by_device_;
    std::map<std::uint32_t, std::uint64_t> syncs_by_context_;
    std::map<std::uint32_t, std::uint32_t> waits_;  // correlation id -> context, until the kind of call is known
    std::set<std::uint32_t> calls_;                 // correlation ids of waiting calls whose wait is not recorded yet
    std::uint64_t lost_ = 0;
};

}  // namespace faceflow::internal
