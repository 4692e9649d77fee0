// A stream with a workspace: takes frames through all stages in passes, one pass after the other.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flow/device_line.hpp"
#include "flow/result_reader.hpp"

namespace faceflow::flow {

// One thread at a time. The host waits once a pass, at its end.
class lane {
public:
    // One frame of a pass.
    struct item {
        const host_frame* from = nullptr;
        bool detect = true;
        std::uint32_t follows = 0;  // frames of one such number start from one another; one of each in a pass
        result<frame_faces> faces;  // what the pass makes of it
    };

    // `line` outlives it.
    [[nodiscard]] static result<std::unique_ptr<lane>> create(device_line& line, const std::string& label,
                                                              const pass_shape& shape);

    // Waits for its work.
    ~lane();

    // At most shape.frames items. One that fails leaves the others be.
    void pass(std::span<item> items);

    // What a person should know of how its models run; see model_set::notes.
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }
    [[nodiscard]] const std::vector<std::filesystem::path>& engine_folders() const noexcept { return engine_folders_; }

private:
    // A frame of the pass that has reached the device.
    struct part {
        item* of;
        frame on_device;
        followed_faces* followed;
        bool detect;
    };

    lane(device_line& line, std::unique_ptr<stream> on, workspace space)
        : line_(line),
          stream_(std::move(on)),
          space_(std::move(space)) {}

    [[nodiscard]] std::size_t pass_together(std::span<item> items);
    [[nodiscard]] result<part> begin(item& i, when_full how);
    void run(std::vector<part>& parts);
    void detect(const std::vector<part>& parts);
    [[nodiscard]] result<void> find_again(const std::vector<part>& parts);
    [[nodiscard]] result<vision::pass_results> mesh_all();
    void mesh(std::int32_t from, std::int32_t to);
    [[nodiscard]] result<followed_faces*> followed_by(std::uint32_t number);

    device_line& line_;
    std::unique_ptr<stream> stream_;  // before what its models belong to; the destructor has waited for its work
    workspace space_;
    std::map<std::uint32_t, followed_faces> followed_;
    std::unique_ptr<result_reader> reader_;
    std::vector<frame> frames_;  // of this pass
    vision::face_table faces_;   // theirs
    std::vector<std::string> notes_;
    std::vector<std::filesystem::path> engine_folders_;
};

}  // namespace faceflow::flow
