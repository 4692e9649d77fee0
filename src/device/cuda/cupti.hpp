// SPDX-License-Identifier: Apache-2.0
// CUPTI: the driver's own record of copies and waits. Opened at run time; for src/device/cuda alone.
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

namespace faceflow {

// Records from its making on what all devices of this process copy and all its threads wait for. Copies of
// cudaMemcpy and its kin between host and device count once each, however they were asked for (by a library, or as a node of a
// graph); waits are those for an event, a stream or a context that were asked of the runtime. What a library asks of the driver
// itself is not among them: FFmpeg's decoder waits about twice a frame, on its source's own thread. CUPTI serves one such per
// process, and its callbacks carry no argument: they find the recorder in a static pointer, and open() gives out the one that
// there is. Thread-safe.
class cupti {
public:
    // The names and paths that are tried in turn by default.
    [[nodiscard]] static std::vector<std::string> usual_libraries();
    // errc::unavailable: none of the libraries is there (the message names what to install), or CUPTI does not start, which
    // says why.
    [[nodiscard]] static result<std::shared_ptr<cupti>> open(
        std::span<const std::string> libraries = usual_libraries());
    ~cupti();
    cupti(const cupti&) = delete;
    cupti& operator=(const cupti&) = delete;

    // By which waits for a context are told from others.
    [[nodiscard]] result<std::uint32_t> id_of(CUcontext context) const;
    // Of a device and its context, so far. What the device has not done yet is not in it. Records that CUPTI had no room for are
    // unknown to every device.
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
    std::map<std::uint32_t, std::uint32_t>
        waits_;                      // by number of call, with their contexts; what the call is, is not known yet
    std::set<std::uint32_t> calls_;  // that wait, but whose wait is not recorded yet
    std::uint64_t lost_ = 0;
};

}  // namespace faceflow
