#include <dz/data/zip.hpp>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <set>

#include <dz/data/bytes.hpp>
#include <dz/data/file.hpp>

namespace dz::detail {
namespace {

constexpr std::uint32_t local_mark = 0x04034b50, central_mark = 0x02014b50, end_mark = 0x06054b50, end64_mark = 0x06064b50,
                        locator64_mark = 0x07064b50, full32 = 0xffffffff;
constexpr std::uint16_t full16 = 0xffff, zip64_field = 1, encrypted = 1, utf8_name = 1 << 11, method_stored = 0, method_deflated = 8;
constexpr std::size_t end_bytes = 22, locator64_bytes = 20;

void expect_mark(Cursor& cursor, std::uint32_t mark, std::string_view what) {
  const std::size_t at = cursor.at();
  if (cursor.number<std::uint32_t>() != mark) throw FileError(fmt::format("no zip archive, or a broken one: no {} at byte {}", what, at));
}

struct Directory {
  std::uint64_t members, bytes, at;
};

/// The end record is the last thing in an archive but for a comment, of which it knows the length.
std::size_t find_end(std::string_view archive) {
  const std::size_t furthest = archive.size() < end_bytes + full16 ? 0 : archive.size() - end_bytes - full16;
  for (std::size_t at = archive.size() < end_bytes ? 0 : archive.size() - end_bytes + 1; at-- > furthest;)
    if (load<std::uint32_t>(&archive[at]) == end_mark && load<std::uint16_t>(&archive[at + 20]) == archive.size() - at - end_bytes)
      return at;
  throw FileError("no zip archive, or a truncated one: it has no end record");
}

Directory find_directory(std::string_view archive) {
  const std::size_t end = find_end(archive);
  Cursor cursor(archive, end + 4);
  const auto disk = cursor.number<std::uint16_t>(), first_disk = cursor.number<std::uint16_t>();
  cursor.skip(2);
  Directory found{};
  found.members = cursor.number<std::uint16_t>();
  found.bytes = cursor.number<std::uint32_t>();
  found.at = cursor.number<std::uint32_t>();
  if (found.members == full16 || found.bytes == full32 || found.at == full32) {
    if (end < locator64_bytes) throw FileError("a zip archive without the 64-bit end record that it needs");
    Cursor locator(archive, end - locator64_bytes);
    expect_mark(locator, locator64_mark, "locator of the 64-bit end record");
    locator.skip(4);
    Cursor wide(archive, locator.number<std::uint64_t>());
    expect_mark(wide, end64_mark, "64-bit end record");
    wide.skip(28);
    found.members = wide.number<std::uint64_t>();
    found.bytes = wide.number<std::uint64_t>();
    found.at = wide.number<std::uint64_t>();
  } else if (disk != 0 || first_disk != 0) {
    throw FileError("a zip archive in several parts");
  }
  if (found.at > end || found.bytes > end - found.at) throw FileError("the directory of the zip archive lies outside it");
  return found;
}

/// A member with the bytes that it takes in the archive, its local header included.
struct Located {
  ZipMember member;
  std::uint64_t begin, end;
};

/// The path is absolute, or goes up by "..": a file of that name would lie outside the folder that its archive is unpacked into. Windows'
/// separator and drives count too.
bool leads_out(std::string_view path) {
  constexpr std::string_view separators = "/\\";
  if (path.find_first_of(separators) == 0 || (path.size() > 1 && path[1] == ':')) return true;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find_first_of(separators, at), path.size());
    if (path.substr(at, end - at) == "..") return true;
    at = end + 1;
  }
  return false;
}

/// One entry of the directory; the numbers that say "full" are in its zip64 field.
Located read_entry(Cursor& cursor, std::string_view archive, std::uint64_t directory) {
  expect_mark(cursor, central_mark, "directory entry");
  cursor.skip(4);
  const auto flags = cursor.number<std::uint16_t>(), method = cursor.number<std::uint16_t>();
  cursor.skip(4);
  ZipMember member;
  member.checksum = cursor.number<std::uint32_t>();
  std::uint64_t packed = cursor.number<std::uint32_t>(), size = cursor.number<std::uint32_t>();
  const auto name_bytes = cursor.number<std::uint16_t>(), extra_bytes = cursor.number<std::uint16_t>(),
             comment_bytes = cursor.number<std::uint16_t>();
  cursor.skip(8);
  std::uint64_t begin = cursor.number<std::uint32_t>();
  member.name = cursor.text(name_bytes);
  Cursor extra(cursor.text(extra_bytes));
  cursor.skip(comment_bytes);

  const auto refuse = [&](std::string reason) { throw FileError(fmt::format("member '{}' {}", member.name, reason)); };
  if (leads_out(member.name)) refuse("has a name that leads out of the archive");
  while (extra.rest().size() >= 4) {
    const auto id = extra.number<std::uint16_t>(), length = extra.number<std::uint16_t>();
    Cursor field(extra.text(length));
    if (id != zip64_field) continue;
    for (std::uint64_t* number : {&size, &packed, &begin})
      if (*number == full32) *number = field.number<std::uint64_t>();
  }
  if (flags & encrypted) refuse("is encrypted");
  if (method != method_stored && method != method_deflated) refuse(fmt::format("is packed by method {}, not stored or deflated", method));
  member.deflated = method == method_deflated;
  member.size = size;

  // The local header says the same once more; only its length counts.
  Cursor local(archive.substr(0, static_cast<std::size_t>(directory)), begin);
  expect_mark(local, local_mark, fmt::format("local header of member '{}'", member.name));
  local.skip(22);
  const auto local_name_bytes = local.number<std::uint16_t>(), local_extra_bytes = local.number<std::uint16_t>();
  if (local.text(local_name_bytes) != member.name) refuse("has another name in its local header");
  local.skip(local_extra_bytes);
  member.packed = local.text(packed);
  if (member.deflated ? size / deflate_ratio > packed : size != packed) refuse(fmt::format("has {} bytes for {}", packed, size));
  return {std::move(member), begin, local.at()};
}

std::uint32_t checksum_of(std::string_view bytes, std::uint32_t before = 0) {
  return static_cast<std::uint32_t>(crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

std::vector<ZipMember> zip_members(std::string_view archive) {
  const Directory directory = find_directory(archive);
  Cursor cursor(archive.substr(0, static_cast<std::size_t>(directory.at + directory.bytes)), directory.at);
  std::vector<Located> located;
  std::set<std::string> names;
  std::uint64_t unpacked = 0;
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    located.push_back(read_entry(cursor, archive, directory.at));
    const std::string& name = located.back().member.name;
    if (!names.insert(name).second) throw FileError(fmt::format("member '{}' is there twice", name));
    unpacked += located.back().member.size;
  }
  if (unpacked > file_limit) throw FileError(fmt::format("its members unpack to {} bytes, dz reads up to {}", unpacked, file_limit));
  if (!cursor.rest().empty()) throw FileError(fmt::format("more in the directory than its {} members", directory.members));

  std::ranges::sort(located, {}, &Located::begin);
  std::vector<ZipMember> members;
  for (std::size_t i = 0; i < located.size(); ++i) {
    if (i > 0 && located[i].begin < located[i - 1].end)
      throw FileError(fmt::format("members '{}' and '{}' overlap", members.back().name, located[i].member.name));
    members.push_back(std::move(located[i].member));
  }
  return members;
}

MemberReader::MemberReader(const ZipMember& member) : member_(member), left_(member.size) {
  if (member.deflated) inflater_.emplace(member.packed, Inflater::Format::raw);
}

void MemberReader::refuse() const { throw FileError(fmt::format("it does not unpack to its {} bytes", member_.size)); }

std::string MemberReader::text(std::uint64_t count) {
  if (count > left_)
    throw FileError(fmt::format("it ends at byte {} where {} bytes are due from byte {}", member_.size, count, member_.size - left_));
  std::string bytes;
  if (inflater_) {
    bytes.resize(static_cast<std::size_t>(count));
    try {
      if (inflater_->read(bytes) != count) refuse();
    } catch (const FileError&) {
      refuse();
    }
  } else {
    bytes = member_.packed.substr(static_cast<std::size_t>(member_.size - left_), static_cast<std::size_t>(count));
  }
  left_ -= count;
  checksum_ = checksum_of(bytes, checksum_);
  return bytes;
}

void MemberReader::finish() {
  bool whole = left_ == 0;
  try {
    whole = whole && (!inflater_ || inflater_->at_end());
  } catch (const FileError&) {
    whole = false;
  }
  if (!whole) refuse();
  if (checksum_ != member_.checksum) throw FileError("its checksum is wrong");
}

void ZipWriter::add(std::string_view name, std::string_view bytes) {
  if (name.empty() || name.size() > 65000 || name.find('\0') != name.npos || leads_out(name))
    throw ValueError(fmt::format("'{}' cannot be a name in a zip archive", name));
  const bool ascii = std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) < 128; });
  const std::uint64_t begin = archive_.size(), size = bytes.size();

  // What the local header and the directory's entry have in common, from the version needed to the lengths.
  const auto append_common = [&](std::string& out, std::uint16_t extra_bytes) {
    append<std::uint16_t>(out, wide_ ? 45 : 20);
    append<std::uint16_t>(out, ascii ? 0 : utf8_name);
    append<std::uint16_t>(out, method_stored);
    append<std::uint32_t>(out, 0x0021u << 16);  // midnight, 1 January 1980: equal arrays make equal files
    append<std::uint32_t>(out, checksum_of(bytes));
    for (int i = 0; i < 2; ++i) append<std::uint32_t>(out, wide_ ? full32 : static_cast<std::uint32_t>(size));
    append<std::uint16_t>(out, static_cast<std::uint16_t>(name.size()));
    append<std::uint16_t>(out, extra_bytes);
  };
  const auto append_wide = [&](std::string& out, std::uint16_t numbers) {
    append<std::uint16_t>(out, zip64_field);
    append<std::uint16_t>(out, static_cast<std::uint16_t>(8 * numbers));
    for (std::uint16_t i = 0; i < numbers; ++i) append<std::uint64_t>(out, i < 2 ? size : begin);
  };

  append<std::uint32_t>(archive_, local_mark);
  append_common(archive_, wide_ ? 20 : 0);
  archive_ += name;
  if (wide_) append_wide(archive_, 2);
  archive_ += bytes;

  append<std::uint32_t>(directory_, central_mark);
  append<std::uint16_t>(directory_, wide_ ? 45 : 20);
  append_common(directory_, wide_ ? 28 : 0);
  directory_.append(10, '\0');  // comment, disk, attributes
  append<std::uint32_t>(directory_, wide_ ? full32 : static_cast<std::uint32_t>(begin));
  directory_ += name;
  if (wide_) append_wide(directory_, 3);
  ++count_;
}

std::string ZipWriter::finish() {
  const std::uint64_t at = archive_.size(), bytes = directory_.size(), end = at + bytes;
  archive_ += directory_;
  if (wide_) {
    append<std::uint32_t>(archive_, end64_mark);
    append<std::uint64_t>(archive_, 44);  // the bytes that follow
    append<std::uint16_t>(archive_, 45);
    append<std::uint16_t>(archive_, 45);
    append<std::uint64_t>(archive_, 0);  // disks
    append(archive_, count_);
    append(archive_, count_);
    append(archive_, bytes);
    append(archive_, at);
    append<std::uint32_t>(archive_, locator64_mark);
    append<std::uint32_t>(archive_, 0);
    append(archive_, end);
    append<std::uint32_t>(archive_, 1);
  }
  append<std::uint32_t>(archive_, end_mark);
  append<std::uint32_t>(archive_, 0);  // disks
  for (int i = 0; i < 2; ++i) append<std::uint16_t>(archive_, wide_ ? full16 : static_cast<std::uint16_t>(count_));
  append<std::uint32_t>(archive_, wide_ ? full32 : static_cast<std::uint32_t>(bytes));
  append<std::uint32_t>(archive_, wide_ ? full32 : static_cast<std::uint32_t>(at));
  append<std::uint16_t>(archive_, 0);
  return std::move(archive_);
}

}  // namespace dz::detail
